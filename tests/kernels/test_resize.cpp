#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "kernels/strided_image.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Coordinates;
using reference::Interpolation;
using reference::Rounding;
using reference::Tensor;

namespace {

/// The two sources of each output along an axis, [2][out], and their weights.
struct Taps {
    std::vector<std::int32_t> sources;
    std::vector<float> weights;
    int count;
};

// By the formulas of ONNX's Resize: half_pixel where linear, else asymmetric and floor.
Taps make_taps(int in, int out, bool linear) {
    Taps taps{std::vector<std::int32_t>(std::size_t(2 * out)),
              std::vector<float>(std::size_t(2 * out)), out};
    for (int i = 0; i < out; ++i) {
        const float scale = float(out) / float(in);
        const float at = linear ? (float(i) + 0.5F) / scale - 0.5F : float(i) / scale;
        const float share = linear ? at - std::floor(at) : 0;
        const int low = int(std::floor(at));
        const std::size_t first = std::size_t(i), second = std::size_t(out + i);
        taps.sources[first] = std::clamp(low, 0, in - 1);
        taps.sources[second] = std::clamp(linear ? low + 1 : low, 0, in - 1);
        taps.weights[first] = 1 - share;
        taps.weights[second] = share;
    }
    return taps;
}

struct Size {
    int height, width;
};

Tensor expect(const Tensor& x, Size to, bool linear) {
    reference::Resize r;
    r.size = {to.height, to.width};
    r.scale = {float(to.height) / float(x.shape[2]), float(to.width) / float(x.shape[3])};
    r.interpolation = linear ? Interpolation::linear : Interpolation::nearest;
    r.coordinates = linear ? Coordinates::half_pixel : Coordinates::asymmetric;
    r.rounding = Rounding::floor;
    return reference::resize(x, r);
}

/// Output rows first .. first + rows of a resize to `to`.
template <typename Equal>
void check(const Kernel& kernel, const Tensor& x, Size to, bool linear, const Lanes& lanes,
           const Tensor& expected, int first, int rows, Equal equal) {
    const Taps columns = make_taps(int(x.shape[3]), to.width, linear);
    const Taps lines = make_taps(int(x.shape[2]), to.height, linear);
    Strided input = image(x, lanes.computed, lanes.input_stride);
    Strided output = output_image(lanes.computed, lanes.output_stride, to.width, rows);
    View in = input.view(), out = output.view();
    View column_sources(columns.sources.data(), {{to.width, 1}, {2, to.width}});
    View column_weights(columns.weights.data(), {{to.width, 1}, {2, to.width}});
    View row_sources(lines.sources.data() + first, {{rows, 1}, {2, to.height}});
    View row_weights(lines.weights.data() + first, {{rows, 1}, {2, to.height}});
    REQUIRE(call(kernel, ResizeCall<halide_buffer_t*>{.input = in,
                                                      .columns = column_sources,
                                                      .column_weights = column_weights,
                                                      .rows = row_sources,
                                                      .row_weights = row_weights,
                                                      .output = out}) == 0);
    CHECK(output.wrong(at_image(expected, first), equal) == 0);
}

Tensor random_image(std::mt19937& rng, int channels, int height, int width) {
    return {{1, channels, height, width},
            random_values(rng, std::size_t(channels * height * width), -1, 1)};
}

}  // namespace

TEMPLATE_TEST_CASE_SIG("resize kernels equal the scalar reference, channels", "",
                       ((int channels), channels), 1, 3, 15, 16, 17, 64, 100) {
    std::mt19937 rng(20261124);
    for (const auto& [height, width] : {std::pair{1, 1}, {7, 5}, {32, 32}}) {
        const Tensor x = random_image(rng, channels, height, width);
        for (const Size to : {Size{height, width}, {2 * height, 2 * width}, {3, 4}, {20, 1}}) {
            const Tensor nearest = expect(x, to, false), linear = expect(x, to, true);
            for_each_kernel(Algorithm::resize, [&](const Kernel& kernel) {
                for (const Lanes& lanes : lane_forms(channels, kernel.lanes)) {
                    INFO(kernel.name << ": " << channels << " channels, " << width << "x" << height
                                     << " to " << to.width << "x" << to.height
                                     << ", output channel_stride " << lanes.output_stride);
                    check(kernel, x, to, false, lanes, nearest, 0, to.height, same_value);
                    check(kernel, x, to, true, lanes, linear, 0, to.height, within(1e-6f));
                }
            });
        }
    }
}

TEST_CASE("resize kernels compute the rows of a cropped output and no others") {
    std::mt19937 rng(15);
    const Tensor x = random_image(rng, 20, 6, 5), expected = expect(x, {11, 13}, true);
    for_each_kernel(Algorithm::resize, [&](const Kernel& kernel) {
        for (const auto& [first, rows] : {std::pair{0, 4}, {4, 1}, {5, 6}}) {
            INFO(kernel.name << ": rows " << first << " to " << first + rows);
            check(kernel, x, {11, 13}, true, {20, 20, 20}, expected, first, rows, within(1e-6f));
        }
    });
}

TEST_CASE("nearest resize kernels keep infinities and NaN where they are") {
    const float infinity = std::numeric_limits<float>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::mt19937 rng(16);
    Tensor x = random_image(rng, 19, 5, 4);
    for (std::size_t i = 0; i < x.data.size(); i += 3) {
        x.data[i] = i % 2 ? nan : i % 4 ? infinity : -infinity;
    }
    for_each_kernel(Algorithm::resize, [&](const Kernel& kernel) {
        INFO(kernel.name);
        const Taps columns = make_taps(4, 8, false), lines = make_taps(5, 10, false);
        Strided input = image(x, 19, 19), output = output_image(19, 19, 8, 10);
        View in = input.view(), out = output.view();
        View column_sources(columns.sources.data(), {{8, 1}, {2, 8}});
        View column_weights(columns.weights.data(), {{8, 1}, {2, 8}});
        View row_sources(lines.sources.data(), {{10, 1}, {2, 10}});
        View row_weights(lines.weights.data(), {{10, 1}, {2, 10}});
        REQUIRE(call(kernel, ResizeCall<halide_buffer_t*>{.input = in,
                                                          .columns = column_sources,
                                                          .column_weights = column_weights,
                                                          .rows = row_sources,
                                                          .row_weights = row_weights,
                                                          .output = out}) == 0);
        const auto source = [&](const Index& at) {
            return x.data[std::size_t((at[0] * 5 + at[2] / 2) * 4 + at[1] / 2)];
        };
        CHECK(output.wrong(source, same_value) == 0);
    });
}

// As ONNX Runtime: 0 * NaN is NaN, and so is 0 * infinity.
TEST_CASE("linear resize kernels multiply a second source by a weight of zero") {
    const float infinity = std::numeric_limits<float>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for_each_kernel(Algorithm::resize, [&](const Kernel& kernel) {
        INFO(kernel.name);
        // Columns 1, 4, 7, 10 and 13 lie on a source; the first and the last two have but one.
        const Tensor x = {{1, 1, 1, 5}, {1, nan, 2, infinity, 3}};
        const Tensor expected = {{1, 1, 1, 15},
                                 {1, nan, nan, nan, nan, nan, nan, nan, infinity, infinity,
                                  infinity, infinity, infinity, 3, 3}};
        check(kernel, x, {1, 15}, true, {1, 1, 1}, expected, 0, 1, within(1e-6f));
    });
}
