#include <catch2/catch.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "kernels/memory.h"

using namespace sluice;
using namespace sluice::kernel_test;

namespace {

enum class Kind { dense, gaps, backwards, repeated };

/// Strides of these extents in memory where dimension order[0] runs fastest; `backwards` walks
/// dimension `turned` from its end, `repeated` gives it a stride of zero.
Extents lay_out(const Index& extents, const std::array<int, 4>& order, Kind kind, int turned) {
    Extents out(4);
    int stride = kind == Kind::gaps ? 2 : 1;
    for (int d : order) {
        const bool is_turned = d == turned;
        const int sign = kind == Kind::backwards && is_turned ? -1 : 1;
        const bool repeats = kind == Kind::repeated && is_turned;
        out[std::size_t(d)] = {extents[std::size_t(d)], repeats ? 0 : sign * stride};
        stride *= repeats ? 1 : extents[std::size_t(d)] + (kind == Kind::gaps ? 1 : 0);
    }
    return out;
}

// Any bit pattern, those of NaN too: a copy computes nothing.
float random_bits(std::mt19937& rng) {
    const std::uint32_t bits = rng();
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

bool same_bits(float got, float want) { return std::memcmp(&got, &want, sizeof got) == 0; }

void check(const Kernel& kernel, const Extents& from, const Extents& to, std::mt19937& rng) {
    Strided input(from, 0), output(to, output_margin);
    input.fill([&](const Index&) { return random_bits(rng); });
    View in = input.view(), out = output.view();
    REQUIRE(call(kernel, CopyCall<halide_buffer_t*>{.input = in, .output = out}) == 0);
    const auto expected = [&](const Index& at) { return std::as_const(input).at(at); };
    CHECK(output.wrong(expected, same_bits) == 0);
}

}  // namespace

TEMPLATE_TEST_CASE_SIG("copy kernels move every bit between any strides, channels", "",
                       ((int channels), channels), 1, 3, 15, 16, 17, 64, 100) {
    std::mt19937 rng(20261124);
    // Both ends' fastest dimension, and so every case of the schedule.
    const std::array<int, 4> orders[] = {{0, 1, 2, 3}, {1, 0, 2, 3}, {1, 2, 0, 3}, {3, 2, 1, 0}};
    const Kind kinds[] = {Kind::dense, Kind::gaps, Kind::backwards};
    for_each_kernel(Algorithm::copy, [&](const Kernel& kernel) {
        for (const auto& [height, width] : {std::pair{1, 1}, {7, 5}, {32, 32}}) {
            const Index extents = {channels, width, height, height == 32 ? 1 : 2};
            for (const auto& from : orders) {
                for (const auto& to : orders) {
                    const int turned = int(rng() % 3);
                    for (const Kind kind : kinds) {
                        INFO(kernel.name << ": " << channels << "x" << width << "x" << height
                                         << ", fastest " << from[0] << " to " << to[0] << ", kind "
                                         << int(kind) << ", turned " << turned);
                        check(kernel, lay_out(extents, from, kind, turned),
                              lay_out(extents, to, Kind::dense, 0), rng);
                        check(kernel, lay_out(extents, from, Kind::dense, 0),
                              lay_out(extents, to, kind, turned), rng);
                    }
                    INFO(kernel.name << ": repeats " << turned);
                    check(kernel, lay_out(extents, from, Kind::repeated, turned),
                          lay_out(extents, to, Kind::gaps, 0), rng);
                }
            }
        }
    });
}

TEST_CASE("copy kernels fill with one value") {
    std::mt19937 rng(13);
    for_each_kernel(Algorithm::copy, [&](const Kernel& kernel) {
        INFO(kernel.name);
        for (int channels : {1, 16, 17}) {
            check(kernel, {{channels, 0}, {5, 0}, {7, 0}, {1, 0}},
                  {{channels, 1}, {5, channels}, {7, 6 * channels}, {1, 1}}, rng);
        }
    });
}

TEST_CASE("copy kernels leave what lies beside the channels") {
    std::mt19937 rng(14);
    for_each_kernel(Algorithm::copy, [&](const Kernel& kernel) {
        for (int channels : {1, 3, 15, 17, 20}) {
            INFO(kernel.name << ": " << channels << " channels");
            const int channel_stride = round_up(channels, kernel.lanes);
            const Extents picture = {
                {channels, 1}, {5, channel_stride}, {7, 6 * channel_stride}, {1, 1}};
            const Extents planes = {{channels, 35}, {5, 1}, {7, 5}, {1, 1}};
            check(kernel, planes, picture, rng);
            check(kernel, picture, planes, rng);
        }
    });
}
