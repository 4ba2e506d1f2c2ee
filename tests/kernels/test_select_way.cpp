#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "kernels/registry.h"
#include "kernels/testing.h"

using namespace sluice;
using namespace sluice::kernel_test;

namespace {

struct Way {
    float fixed = 0, rate = 0;
    std::int32_t count = 0;
};

std::int32_t choose(const Kernel& kernel, const std::array<Way, 3>& ways) {
    std::int32_t chosen = -7;
    View first(&ways[0].count, {{1, 1}}), second(&ways[1].count, {{1, 1}});
    View third(&ways[2].count, {{1, 1}}), to(&chosen, {});
    REQUIRE(call(kernel, SelectWayCall<halide_buffer_t*>{.first_count = first,
                                                         .second_count = second,
                                                         .third_count = third,
                                                         .first_fixed = ways[0].fixed,
                                                         .first_rate = ways[0].rate,
                                                         .second_fixed = ways[1].fixed,
                                                         .second_rate = ways[1].rate,
                                                         .third_fixed = ways[2].fixed,
                                                         .third_rate = ways[2].rate,
                                                         .chosen = to}) == 0);
    return chosen;
}

constexpr float infinity = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("select_way kernels choose the way that costs least, the first of equals") {
    for_each_kernel(Algorithm::select_way, [](const Kernel& kernel) {
        INFO(kernel.name);
        const Way none{infinity, 0, 0};
        CHECK(choose(kernel, {Way{0, 1, 10}, Way{0, 5, 1}, none}) == 1);
        CHECK(choose(kernel, {Way{0, 1, 10}, Way{0, 5, 2}, none}) == 0);
        CHECK(choose(kernel, {Way{0, 1, 10}, Way{0, 5, 3}, none}) == 0);
        CHECK(choose(kernel, {Way{0, 1, 0}, Way{0, 5, 0}, none}) == 0);
        // One unit of a float beside a tie.
        CHECK(choose(kernel, {Way{0, 1, 10}, Way{0, std::nextafter(5.0F, 0.0F), 2}, none}) == 1);
        CHECK(choose(kernel, {Way{0, 1, 10}, Way{std::nextafter(10.0F, 0.0F), 0, 2}, none}) == 1);
        CHECK(choose(kernel, {Way{0, 1, 10}, Way{0, 5, 2}, Way{9, 0, 7}}) == 2);
        CHECK(choose(kernel, {Way{0, 1, 10}, Way{0, 5, 1}, Way{5, 0, 7}}) == 1);
        CHECK(choose(kernel, {Way{0, 1, 10}, Way{0, 1, 10}, Way{0, 1, 10}}) == 0);
        // What was not counted costs more than anything else.
        const std::int32_t most = std::numeric_limits<std::int32_t>::max();
        CHECK(choose(kernel, {Way{0, 1, 1 << 20}, Way{0, 9, 1 << 20}, Way{0, 0.2F, most}}) == 0);
    });
}

TEST_CASE("select_way kernels agree with the sums in double precision where they are apart") {
    std::mt19937 rng(20261129);
    std::uniform_real_distribution<float> draw(0, 1000);
    for_each_kernel(Algorithm::select_way, [&](const Kernel& kernel) {
        for (int i = 0; i < 500; ++i) {
            std::array<Way, 3> ways;
            std::array<double, 3> costs;
            for (std::size_t way = 0; way < 3; ++way) {
                ways[way] = {draw(rng), draw(rng), std::int32_t(rng() % 1000)};
                costs[way] = double(ways[way].fixed) + double(ways[way].rate) * ways[way].count;
            }
            const auto least = std::min_element(costs.begin(), costs.end());
            const double second = [&] {
                double other = infinity;
                for (const double& cost : costs) {
                    other = &cost == &*least ? other : std::min(other, cost);
                }
                return other;
            }();
            if (second > *least * 1.00001) {
                CHECK(choose(kernel, ways) == least - costs.begin());
            }
        }
    });
}
