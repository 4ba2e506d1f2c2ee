#include <catch2/catch.hpp>

#include <map>
#include <random>

#include "plan/arrange.h"

using namespace sluice;

namespace {

/// How often each offset, or pair of offsets, of two views comes up when all indices are visited.
using Visits = std::map<std::pair<std::int64_t, std::int64_t>, int>;

Visits visits(const Buffer& a, const Buffer& b) {
    Visits found;
    std::vector<std::int64_t> at(a.axes.size(), 0);
    for (bool more = true; more;) {
        std::pair<std::int64_t, std::int64_t> offsets;
        for (std::size_t axis = 0; axis < at.size(); ++axis) {
            offsets.first += at[axis] * a.axes[axis].stride;
            offsets.second += at[axis] * b.axes[axis].stride;
        }
        ++found[offsets];
        more = false;
        for (std::size_t axis = 0; axis < at.size() && !more; ++axis) {
            more = ++at[axis] < a.axes[axis].extent;
            at[axis] = more ? at[axis] : 0;
        }
    }
    return found;
}

}  // namespace

TEST_CASE("arranged views visit the same elements, along a dense first axis where that is asked") {
    std::mt19937 random(20261129);
    const auto draw = [&random](int low, int high) {
        return std::int64_t(std::uniform_int_distribution<int>(low, high)(random));
    };
    int added = 0;
    for (int trial = 0; trial < 2000; ++trial) {
        // A map of the arena as (c, y, x), and an operand that repeats along some of its axes.
        const std::int64_t channels = draw(1, 3), height = draw(1, 4), width = draw(1, 4);
        const std::int64_t channel_stride = channels + draw(0, 5),
                           row = (width + draw(0, 2)) * channel_stride;
        Buffer output{Memory::arena,
                      0,
                      0,
                      halide_type_of<float>(),
                      {{channels, 1}, {height, row}, {width, channel_stride}}};
        Buffer input = output;
        for (Axis& axis : input.axes) {
            axis.stride *= draw(0, 2);
        }
        const Visits expected = visits(output, input);
        for (const bool is_dense : {false, true}) {
            Buffer to = output, from = input;
            REQUIRE((is_dense ? arrange_dense({&to, &from}) : arrange({&to, &from})));
            CHECK(visits(to, from) == expected);
            REQUIRE(to.axes.size() == 4);
            CHECK((!is_dense || to.axes[0].stride == 1));
            added += is_dense && to.axes[0].extent == 1 && height * width > 1;
        }
    }
    CHECK(added > 0);
}

TEST_CASE("views of more than four axes that do not merge are not arranged") {
    Buffer four{Memory::arena, 0, 0, halide_type_of<float>(), {{2, 3}, {2, 9}, {2, 27}, {2, 81}}};
    Buffer five = four;
    five.axes.push_back({2, 243});
    CHECK(!arrange({&five}));
    Buffer dense = four;  // with the dense axis there are five
    CHECK(!arrange_dense({&dense}));
    CHECK(arrange({&four}));
}
