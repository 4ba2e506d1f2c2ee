#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "kernels/memory.h"

using namespace sluice;
using namespace sluice::kernel_test;

namespace {

/// Squares of `side` outputs, some of them listed.
struct Squares {
    std::vector<std::uint32_t> list;
    std::vector<bool> covers;  ///< outputs, row after row
};

// A negative density: one square alone.
Squares draw_squares(int side, int height, int width, double density, std::mt19937& rng) {
    const int across = (width + side - 1) / side, count = across * ((height + side - 1) / side);
    std::uniform_real_distribution<double> draw(0, 1);
    const int only = int(rng() % std::size_t(count));
    Squares squares{{}, std::vector<bool>(std::size_t(height * width), false)};
    for (int i = 0; i < count; ++i) {
        if (density < 0 ? i != only : draw(rng) >= density) {
            continue;
        }
        squares.list.push_back(std::uint32_t(i / across) << 16 | std::uint32_t(i % across));
        for (int y = i / across * side; y < std::min((i / across + 1) * side, height); ++y) {
            for (int x = i % across * side; x < std::min((i % across + 1) * side, width); ++x) {
                squares.covers[std::size_t(y * width + x)] = true;
            }
        }
    }
    return squares;
}

void check(const Kernel& kernel, int channels, int height, int width, const Squares& squares,
           int side, bool has_residual, std::mt19937& rng) {
    const int channel_stride = round_up(channels, kernel.lanes), size = height * width;
    const std::vector<std::uint32_t>& list = squares.list;
    const std::vector<float> epilogue = random_values(rng, 3 * std::size_t(channel_stride), -1, 1);
    std::vector<float> residual =
        has_residual ? random_values(rng, std::size_t(size * channel_stride), -1, 1)
                     : std::vector<float>(std::size_t(channel_stride), 0.0f);
    if (has_residual) {
        spoil(residual, rng);
    }
    const Clamp clamp = all_clamps()[rng() % 4];
    std::vector<float> output(std::size_t(size * channel_stride) + 16, untouched);

    View positions(list.data(), {{int(list.size()), 1}});
    View e(epilogue.data(), {{channel_stride, 1}, {3, channel_stride}});
    const int residual_x = has_residual ? channel_stride : 0;
    View r(residual.data(),
           {{channel_stride, 1}, {width, residual_x}, {height, width * residual_x}});
    View out(output.data(),
             {{channel_stride, 1}, {width, channel_stride}, {height, width * channel_stride}});
    REQUIRE(call(kernel, FillCall<halide_buffer_t*>{.positions = positions,
                                                    .epilogue = e,
                                                    .residual = r,
                                                    .side = side,
                                                    .post_low = clamp.low,
                                                    .post_high = clamp.high,
                                                    .output = out}) == 0);

    int wrong = 0;
    for (int i = 0; i < int(output.size()); ++i) {
        const int pixel = i / channel_stride, k = i % channel_stride;
        float want = untouched;
        if (pixel < size && squares.covers[std::size_t(pixel)]) {
            const float sum = epilogue[std::size_t(2 * channel_stride + k)] +
                              residual[std::size_t(pixel * residual_x + k)];
            want = clamp.apply(sum);
        }
        wrong += !same_value(output[std::size_t(i)], want);
    }
    CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("fill kernels write shift and residual, clamped, on the listed squares alone") {
    std::mt19937 rng(20261124);
    const int sizes[][2] = {{1, 1}, {7, 5}, {32, 32}};
    int calls = 0;
    for_each_kernel(Algorithm::fill, [&](const Kernel& kernel) {
        for (int channels : {1, 3, 15, 16, 17, 64, 100, 128}) {
            for (const auto& [height, width] : sizes) {
                for (double density : {0.0, -1.0, 0.1, 0.5, 1.0}) {
                    for (bool has_residual : {false, true}) {
                        ++calls;
                        INFO(kernel.name << ": channels " << channels << ", " << width << "x"
                                         << height << ", density " << density
                                         << (has_residual ? ", residual" : ", no residual"));
                        for (const int side : {1, 2, 4}) {
                            check(kernel, channels, height, width,
                                  draw_squares(side, height, width, density, rng), side,
                                  has_residual, rng);
                        }
                    }
                }
            }
        }
    });
    CHECK(calls > 0);
}
