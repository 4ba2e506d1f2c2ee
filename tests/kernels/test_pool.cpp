#include <catch2/catch.hpp>

#include <array>
#include <limits>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/strided_image.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Tensor;
using reference::Window;

namespace {

std::string to_string(const Window& w) {
    std::ostringstream text;
    text << "window " << w.kernel[1] << "x" << w.kernel[0] << " by " << w.stride[1] << "x"
         << w.stride[0] << ", pads " << w.pads[0] << " " << w.pads[1] << " " << w.pads[2] << " "
         << w.pads[3] << (w.ceil_mode ? ", ceil" : "")
         << (w.count_include_pad ? ", padding counts" : "");
    return text.str();
}

// Every window of these has a cell inside a image of any size.
const Window windows[] = {
    {{1, 1}, {1, 1}, {0, 0, 0, 0}},       {{1, 1}, {2, 3}, {0, 0, 0, 0}, true},
    {{3, 3}, {1, 1}, {1, 1, 1, 1}},       {{3, 3}, {2, 2}, {1, 1, 1, 1}, true},
    {{2, 3}, {1, 2}, {1, 1, 0, 1}},       {{5, 4}, {2, 1}, {2, 3, 2, 0}},
    {{3, 2}, {3, 2}, {2, 1, 2, 1}, true},
};

Tensor expect(Algorithm algorithm, const Tensor& x, const Window& window) {
    return algorithm == Algorithm::average_pool ? reference::average_pool(x, window)
                                                : reference::max_pool(x, window);
}

/// Runs the kernel on output rows first_row .. first_row + rows.
void check_pool(const Kernel& kernel, const Tensor& x, const Window& window, const Tensor& expected,
                const Lanes& lanes, int first_row, int rows) {
    const int height = int(x.shape[2]), width = int(x.shape[3]);
    Strided input = image(x, lanes.computed, lanes.input_stride);
    Strided output =
        output_image(lanes.computed, lanes.output_stride, int(expected.shape[3]), rows);
    View in = input.view(), out = output.view();
    if (kernel.algorithm == Algorithm::average_pool) {
        REQUIRE(call(kernel,
                     AveragePoolCall<halide_buffer_t*>{.input = in,
                                                       .kernel_x = int(window.kernel[1]),
                                                       .kernel_y = int(window.kernel[0]),
                                                       .stride_x = int(window.stride[1]),
                                                       .stride_y = int(window.stride[0]),
                                                       .pad_left = int(window.pads[1]),
                                                       .pad_top = int(window.pads[0]),
                                                       .first_row = first_row,
                                                       .include_pad = int(window.count_include_pad),
                                                       .count_width = width + int(window.pads[3]),
                                                       .count_height = height + int(window.pads[2]),
                                                       .output = out}) == 0);
        CHECK(output.wrong(at_image(expected, first_row), within(2e-6f)) == 0);
    } else {
        REQUIRE(call(kernel, MaxPoolCall<halide_buffer_t*>{.input = in,
                                                           .kernel_x = int(window.kernel[1]),
                                                           .kernel_y = int(window.kernel[0]),
                                                           .stride_x = int(window.stride[1]),
                                                           .stride_y = int(window.stride[0]),
                                                           .pad_left = int(window.pads[1]),
                                                           .pad_top = int(window.pads[0]),
                                                           .first_row = first_row,
                                                           .output = out}) == 0);
        CHECK(output.wrong(at_image(expected, first_row), same_value) == 0);
    }
}

void check_kernels(Algorithm algorithm, const Tensor& x, const Window& window) {
    const Tensor expected = expect(algorithm, x, window);
    for_each_kernel(algorithm, [&](const Kernel& kernel) {
        for (const Lanes& lanes : lane_forms(int(x.shape[1]), kernel.lanes)) {
            INFO(kernel.name << ": " << sluice::to_string(x.shape) << ", " << to_string(window)
                             << ", output channel_stride " << lanes.output_stride);
            check_pool(kernel, x, window, expected, lanes, 0, int(expected.shape[2]));
        }
    });
}

Tensor random_image(std::mt19937& rng, int channels, int height, int width) {
    return {{1, channels, height, width},
            random_values(rng, std::size_t(channels * height * width), -1, 2)};
}

}  // namespace

TEMPLATE_TEST_CASE_SIG("pooling kernels equal the scalar reference, channels", "",
                       ((int channels), channels), 1, 3, 15, 16, 17, 64, 100) {
    std::mt19937 rng(20261124);
    for (const auto& [height, width] : {std::pair{1, 1}, {7, 5}, {32, 32}}) {
        const Tensor x = random_image(rng, channels, height, width);
        for (Window window : windows) {
            for (bool counts_padding : {false, true}) {
                window.count_include_pad = counts_padding;
                for (const Algorithm algorithm : {Algorithm::max_pool, Algorithm::average_pool}) {
                    check_kernels(algorithm, x, window);
                }
            }
        }
    }
}

TEST_CASE("pooling kernels compute the rows of a cropped output and no others") {
    std::mt19937 rng(4);
    const Tensor x = random_image(rng, 20, 11, 9);
    for (const Window& window : {Window{{3, 3}, {2, 2}, {1, 1, 1, 1}}, {{4, 4}, {1, 2}, {}}}) {
        for (const Algorithm algorithm : {Algorithm::max_pool, Algorithm::average_pool}) {
            const Tensor expected = expect(algorithm, x, window);
            for_each_kernel(algorithm, [&](const Kernel& kernel) {
                for (const auto& [first, rows] : {std::pair{0, 2}, {2, 1}, {3, 3}}) {
                    INFO(kernel.name << ": " << to_string(window) << ", rows " << first << " to "
                                     << first + rows);
                    check_pool(kernel, x, window, expected, {20, 20, 20}, first, rows);
                }
            });
        }
    }
}

TEST_CASE("max pooling takes the maximum of infinities and of the lowest numbers") {
    const float infinity = std::numeric_limits<float>::infinity();
    const float lowest = std::numeric_limits<float>::lowest();
    for_each_kernel(Algorithm::max_pool, [&](const Kernel& kernel) {
        INFO(kernel.name);
        const int channels = 2 * kernel.lanes + 1;
        std::vector<float> values(std::size_t(channels * 6));
        const float choices[] = {-infinity, -infinity, -infinity, lowest, -1, infinity};
        std::mt19937 rng(6);
        for (float& value : values) {
            value = choices[rng() % 6];
        }
        const Tensor x = {{1, channels, 2, 3}, values};
        const Window window = {{2, 2}, {1, 1}, {0, 0, 0, 0}};
        check_pool(kernel, x, window, reference::max_pool(x, window),
                   {channels, channels, channels}, 0, 1);
    });
}

TEST_CASE("pooling kernels give NaN for every window that holds one") {
    std::mt19937 rng(8);
    for (const Algorithm algorithm : {Algorithm::max_pool, Algorithm::average_pool}) {
        for (int channels : {1, 17, 40}) {
            for (const Window& window : {Window{{4, 4}, {4, 4}, {}},
                                         {{3, 3}, {2, 1}, {1, 1, 1, 1}},
                                         {{2, 2}, {2, 2}, {}}}) {
                for (int round = 0; round < 16; ++round) {
                    Tensor x = random_image(rng, channels, 8, 8);
                    for (int i = 0; i < channels; ++i) {  // a NaN a map, at any place of a window
                        x.data[std::size_t(64 * i) + rng() % 64] =
                            std::numeric_limits<float>::quiet_NaN();
                        x.data[std::size_t(64 * i) + rng() % 64] =
                            std::numeric_limits<float>::infinity();
                    }
                    check_kernels(algorithm, x, window);
                }
            }
        }
    }
}

TEST_CASE("global average pooling kernels give NaN for every map that holds one") {
    std::mt19937 rng(9);
    Tensor x = random_image(rng, 37, 6, 7);
    for (std::size_t i = 0; i < x.data.size(); i += 67) {
        x.data[i] = std::numeric_limits<float>::quiet_NaN();
    }
    const Tensor expected = reference::global_average_pool(x);
    for_each_kernel(Algorithm::global_average_pool, [&](const Kernel& kernel) {
        INFO(kernel.name);
        Strided input = image(x, 37, 37), output({{37, 1}}, output_margin);
        View in = input.view(), out = output.view();
        REQUIRE(call(kernel, GlobalAveragePoolCall<halide_buffer_t*>{.input = in, .output = out}) ==
                0);
        CHECK(output.wrong(at_image(expected), within(2e-6f)) == 0);
    });
}

TEST_CASE("global average pooling kernels equal the scalar reference") {
    std::mt19937 rng(20261124);
    for (int channels : {1, 3, 15, 16, 17, 64, 100}) {
        for (const auto& [height, width] : {std::pair{1, 1}, {7, 5}, {1, 40}, {40, 1}, {32, 32}}) {
            const Tensor x = random_image(rng, channels, height, width);
            const Tensor expected = reference::global_average_pool(x);
            for_each_kernel(Algorithm::global_average_pool, [&](const Kernel& kernel) {
                for (const Lanes& lanes : lane_forms(channels, kernel.lanes)) {
                    INFO(kernel.name << ": " << sluice::to_string(x.shape) << ", " << lanes.computed
                                     << " channels computed");
                    Strided input = image(x, lanes.computed, lanes.input_stride);
                    Strided output({{lanes.computed, 1}}, output_margin);
                    View in = input.view(), out = output.view();
                    REQUIRE(call(kernel, GlobalAveragePoolCall<halide_buffer_t*>{
                                             .input = in, .output = out}) == 0);
                    CHECK(output.wrong(at_image(expected), within(2e-6f)) == 0);
                }
            });
        }
    }
}
