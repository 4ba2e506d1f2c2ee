#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/memory.h"
#include "reference/operators.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Tensor;

namespace {

struct Case {
    int channels, kernel_y, kernel_x, stride_y, stride_x;
    int height, width;       ///< of the output
    int first_row, rows;     ///< the part of the output that one call computes
    int output_x, output_y;  ///< strides of the output, in floats
    Clamp act;
};

// [1, C, H, W] -> NHWC; the lanes beyond the channels hold values that no sum may see.
std::vector<float> to_nhwc(const Tensor& t, int channel_stride) {
    const std::size_t channels = std::size_t(t.shape[1]),
                      pixels = std::size_t(t.shape[2] * t.shape[3]);
    std::vector<float> out(pixels * std::size_t(channel_stride), 77);
    for (std::size_t c = 0; c < channels; ++c) {
        for (std::size_t i = 0; i < pixels; ++i) {
            out[i * std::size_t(channel_stride) + c] = t.data[c * pixels + i];
        }
    }
    return out;
}

// [1, C, kh, kw] -> (kx * channel_stride + c, ky), zero beyond the channels.
std::vector<float> pack(const Tensor& weights, const Case& c, int channel_stride) {
    std::vector<float> out(std::size_t(c.kernel_y * c.kernel_x * channel_stride), 0);
    for (int channel = 0; channel < c.channels; ++channel) {
        for (int i = 0; i < c.kernel_y * c.kernel_x; ++i) {
            out[std::size_t(i * channel_stride + channel)] =
                weights.data[std::size_t(channel * c.kernel_y * c.kernel_x + i)];
        }
    }
    return out;
}

void check_against_reference(const Kernel& kernel, const Case& c, std::mt19937& rng,
                             bool is_spoiled = false) {
    const int in_height = (c.height - 1) * c.stride_y + c.kernel_y;
    const int in_width = (c.width - 1) * c.stride_x + c.kernel_x;
    const int taps = c.channels * c.kernel_y * c.kernel_x;
    Tensor x = {{1, c.channels, in_height, in_width},
                random_values(rng, std::size_t(c.channels * in_height * in_width), -1, 1)};
    const Tensor w = {{1, c.channels, c.kernel_y, c.kernel_x},
                      random_values(rng, std::size_t(taps), -1, 1)};
    const float bias = random_values(rng, 1, -1, 1)[0];
    if (is_spoiled) {
        spoil(x.data, rng);
    }
    const Tensor expected = reference::clamp(
        c.act, reference::conv2d(x, w, {bias}, {c.stride_y, c.stride_x}, {0, 0, 0, 0}));

    const int channel_stride = round_up(c.channels, kernel.lanes), row = in_width * channel_stride;
    const Guarded input(to_nhwc(x, channel_stride)), weights(pack(w, c, channel_stride));
    std::vector<float> output(std::size_t(c.height * c.output_y), untouched);
    View in(input.data() + c.first_row * c.stride_y * row, {{row, 1}, {in_height, row}});
    View packed(weights.data(),
                {{c.kernel_x * channel_stride, 1}, {c.kernel_y, c.kernel_x * channel_stride}});
    View out(output.data() + c.first_row * c.output_y,
             {{c.width, c.output_x}, {c.rows, c.output_y}});
    REQUIRE(call(kernel, BranchCall<halide_buffer_t*>{.input = in,
                                                      .weights = packed,
                                                      .stride_x = c.stride_x,
                                                      .stride_y = c.stride_y,
                                                      .channel_stride = channel_stride,
                                                      .bias = bias,
                                                      .act_low = c.act.low,
                                                      .act_high = c.act.high,
                                                      .output = out}) == 0);

    const float bound = 1e-6f * float(taps) + 1e-5f;
    int wrong = 0;
    for (int i = 0; i < int(output.size()); ++i) {
        const int at_y = i / c.output_y, at_x = i % c.output_y / c.output_x;
        const bool computed = at_y >= c.first_row && at_y < c.first_row + c.rows &&
                              at_x < c.width && i % c.output_y % c.output_x == 0;
        const float want = computed ? expected.data[std::size_t(at_y * c.width + at_x)] : untouched;
        wrong += !within(bound)(output[std::size_t(i)], want);
    }
    CHECK(wrong == 0);
}

bool serves(const Kernel& kernel, int channels, int kernel_size) {
    const BranchInfo& info = kernel.as<BranchInfo>();
    return (info.channels == 0 || info.channels == round_up(channels, kernel.lanes)) &&
           (info.kernel == 0 || info.kernel == kernel_size);
}

}  // namespace

TEST_CASE("branch kernels equal the scalar reference") {
    std::mt19937 rng(20261124);
    const std::array<Clamp, 4> acts = all_clamps();
    const int sizes[][2] = {{1, 1}, {7, 5}, {5, 17}, {32, 32}};
    int calls = 0;
    for_each_kernel(Algorithm::branch, [&](const Kernel& kernel) {
        for (int channels : {1, 3, 15, 16, 17, 32, 64, 100}) {
            for (int k : {1, 3, 5, 7}) {
                if (!serves(kernel, channels, k)) {
                    continue;
                }
                for (const auto& [height, width] : sizes) {
                    for (const auto& [stride, gap] :
                         {std::pair{1, 1}, {2, 1}, {1, kernel.lanes}, {2, kernel.lanes}}) {
                        const Case c{channels,
                                     k,
                                     k,
                                     stride,
                                     stride,
                                     height,
                                     width,
                                     0,
                                     height,
                                     gap,
                                     gap * width + calls % 3,
                                     acts[std::size_t(calls % 4)]};
                        ++calls;
                        INFO(kernel.name << ": channels " << channels << ", kernel " << k
                                         << ", output " << width << "x" << height << ", stride "
                                         << stride << ", x stride of the output " << gap);
                        check_against_reference(kernel, c, rng);
                    }
                }
            }
        }
    });
    CHECK(calls > 0);
}

TEST_CASE("branch kernels equal the scalar reference on layers of their own channels") {
    std::mt19937 rng(10);
    for_each_kernel(Algorithm::branch, [&](const Kernel& kernel) {
        const auto [k, channels] = kernel.as<BranchInfo>();
        if (channels == 0) {
            return;
        }
        for (int fewer : {0, 3}) {
            for (int stride : {1, 2}) {
                INFO(kernel.name << ": channels " << channels - fewer << ", stride " << stride);
                check_against_reference(
                    kernel, {channels - fewer, k, k, stride, stride, 7, 21, 0, 7, 1, 21, {0, 1}},
                    rng);
            }
        }
    });
}

TEST_CASE("branch kernels give NaN and infinities where the scalar reference does") {
    std::mt19937 rng(9);
    for_each_kernel(Algorithm::branch, [&](const Kernel& kernel) {
        const int own = kernel.as<BranchInfo>().channels, channels = own ? own : 2 * kernel.lanes;
        const int k = own ? kernel.as<BranchInfo>().kernel : 3;
        for (const Clamp& act : all_clamps()) {
            for (int gap : {1, kernel.lanes}) {
                INFO(kernel.name << ": clamp " << act.low << " to " << act.high);
                check_against_reference(
                    kernel, {channels, k, k, 1, 1, 19, 21, 0, 19, gap, gap * 21, act}, rng, true);
            }
        }
    });
}

TEST_CASE("branch kernels compute the rows of a cropped output and no others") {
    std::mt19937 rng(7);
    for_each_kernel(Algorithm::branch, [&](const Kernel& kernel) {
        const int own = kernel.as<BranchInfo>().channels;
        const int channels = own ? own : 3, k = own ? kernel.as<BranchInfo>().kernel : 5;
        for (const auto& [first, rows] : {std::pair{0, 3}, {3, 1}, {4, 6}}) {
            INFO(kernel.name << ": rows " << first << " to " << first + rows);
            check_against_reference(
                kernel, {channels, k, k, 2, 2, 10, 19, first, rows, 1, 19, {0, 1}}, rng);
        }
    });
}

TEST_CASE("branch kernels take kernels and strides that differ in x and y") {
    std::mt19937 rng(8);
    for_each_kernel(Algorithm::branch, [&](const Kernel& kernel) {
        const auto [window, own] = kernel.as<BranchInfo>();
        const int channels = own ? own : 20, kernel_y = own ? window : 1;
        const int kernel_x = own ? window : 5;
        for (const auto& [stride_y, stride_x] : {std::pair{1, 2}, {2, 1}, {1, 3}}) {
            INFO(kernel.name << ": strides " << stride_y << ", " << stride_x);
            check_against_reference(kernel,
                                    {channels,
                                     kernel_y,
                                     kernel_x,
                                     stride_y,
                                     stride_x,
                                     6,
                                     11,
                                     0,
                                     6,
                                     1,
                                     11,
                                     {-0.5f, 0.5f}},
                                    rng);
        }
    });
}
