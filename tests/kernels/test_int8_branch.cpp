#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/int8_problem.h"

using namespace sluice;
using namespace sluice::kernel_test;

namespace {

/// The part of an output that one call computes, and the output's strides, in floats.
struct Part {
    int first_row, rows;
    int stride_x, stride_y;
};

// A problem of one output channel without pads: a branch's halo is the plan's.
Int8Problem make_branch(int channels, std::array<int, 2> kernel, std::array<int, 2> stride,
                        int height, int width, std::mt19937& rng) {
    Int8Problem p = make_int8_problem({channels,
                                       1,
                                       (height - 1) * stride[0] + kernel[0],
                                       (width - 1) * stride[1] + kernel[1],
                                       kernel,
                                       stride,
                                       {0, 0, 0, 0}},
                                      rng);
    p.has_residual = false;
    p.shift = {0};
    return p;
}

// [C, H, W] -> NHWC; the lanes beyond the channels hold values that no sum may see.
template <typename T>
std::vector<T> to_nhwc(const std::vector<T>& values, int channels, int channel_stride, T beyond) {
    const std::size_t pixels = values.size() / std::size_t(channels);
    std::vector<T> out(pixels * std::size_t(channel_stride), beyond);
    for (std::size_t i = 0; i < values.size(); ++i) {
        out[i % pixels * std::size_t(channel_stride) + i / pixels] = values[i];
    }
    return out;
}

/// Whether the kernel is for such layers; what it gives is checked where it is.
bool check(const Int8Problem& p, const Kernel& kernel, const Part& part) {
    const ConvCase& c = p.shape;
    ConvLayer layer;
    for (std::size_t axis = 0; axis < 2; ++axis) {
        layer.kernel[axis] = c.kernel[axis];
        layer.stride[axis] = c.stride[axis];
    }
    layer.output[1] = p.width;
    layer.channel_stride = round_up(c.channels, kernel.lanes);
    if (!fits(kernel, layer)) {
        return false;
    }
    const int bytes = kernel.as<Int8BranchInfo>().bytes;
    const int offset = kernel.as<Int8BranchInfo>().offset;
    const int channel_stride = round_up(c.channels, kernel.lanes), row = c.width * channel_stride;
    const int columns = c.kernel[1] * channel_stride, padded = round_up(columns, bytes);
    auto pixels = to_nhwc<std::uint8_t>(p.x, c.channels, channel_stride, 77);
    pixels.resize(pixels.size() + std::size_t(padded - columns), 77);
    const GuardedOf<std::uint8_t> input(pixels);
    const auto rows = to_nhwc<std::int8_t>(p.weights, c.channels, channel_stride, 0);
    std::vector<std::int8_t> longer(std::size_t(c.kernel[0] * padded), 0);
    for (int y = 0; y < c.kernel[0]; ++y) {
        std::copy_n(rows.begin() + y * columns, columns, longer.begin() + y * padded);
    }
    const GuardedOf<std::int8_t> packed(longer);
    int sum = 0;
    for (const std::int8_t weight : p.weights) {
        sum += weight;
    }
    std::vector<float> got(std::size_t(p.height * part.stride_y), untouched), want = got;
    for (int y = part.first_row; y < part.first_row + part.rows; ++y) {
        for (int x = 0; x < p.width; ++x) {
            want[std::size_t(y * part.stride_y + x * part.stride_x)] =
                float_of(p, value_of(p, 0, y * p.width + x, 1, false));
        }
    }
    View in(input.data() + part.first_row * c.stride[0] * row, {{row, 1}, {c.height, row}});
    View weights(packed.data(), {{padded, 1}, {c.kernel[0], padded}});
    View out(got.data() + part.first_row * part.stride_y,
             {{p.width, part.stride_x}, {part.rows, part.stride_y}});
    REQUIRE(call(kernel,
                 Int8BranchCall<halide_buffer_t*>{.input = in,
                                                  .weights = weights,
                                                  .stride_x = c.stride[1],
                                                  .stride_y = c.stride[0],
                                                  .channel_stride = channel_stride,
                                                  .bias = p.bias[0] - (p.input_zero - offset) * sum,
                                                  .multiplier = p.multiplier[0],
                                                  .act_low = p.act.low,
                                                  .act_high = p.act.high,
                                                  .low = p.low,
                                                  .high = p.high,
                                                  .rounds = p.rounds,
                                                  .scale = p.scale,
                                                  .output = out}) == 0);
    CHECK(got == want);
    return true;
}

}  // namespace

TEST_CASE("int8 branch kernels equal the scalar reference") {
    std::mt19937 rng(20261130);
    const int sizes[][2] = {{1, 1},   {7, 5}, {2, 16}, {5, 17}, {4, 31},
                            {20, 32}, {8, 8}, {3, 9},  {1, 12}, {7, 24}};
    for_each_kernel(Algorithm::int8_branch, [&](const Kernel& kernel) {
        int checked = 0;
        for (int channels : {1, 3, 15, 16, 17, 32, 48, 64, 100}) {
            for (const auto& window : {std::array{1, 1}, {3, 3}, {5, 5}, {1, 3}}) {
                for (const auto& [height, width] : sizes) {
                    for (const auto& stride : {std::array{1, 1}, {2, 2}, {1, 3}}) {
                        for (const int gap : {1, kernel.lanes}) {
                            INFO(kernel.name << ": channels " << channels << ", kernel "
                                             << window[1] << "x" << window[0] << ", output "
                                             << width << "x" << height << ", stride " << stride[1]
                                             << ", x stride of the output " << gap);
                            checked +=
                                check(make_branch(channels, window, stride, height, width, rng),
                                      kernel, {0, height, gap, gap * width + int(rng() % 3)});
                        }
                    }
                }
            }
        }
        CHECK(checked >= 16);
    });
}

TEST_CASE("int8 branch kernels are exact at the ends of the range") {
    std::mt19937 rng(4);
    for_each_kernel(Algorithm::int8_branch, [&](const Kernel& kernel) {
        for (const int weight : {-128, 127}) {
            for (const int value : {0, 255}) {
                INFO(kernel.name << ": weights " << weight << ", inputs " << value);
                const int known = kernel.as<Int8BranchInfo>().channels;
                const int channels = known > 0 ? known : 272;
                Int8Problem p = make_branch(channels, {3, 3}, {1, 1}, 3, 19, rng);
                std::fill(p.weights.begin(), p.weights.end(), std::int8_t(weight));
                std::fill(p.x.begin(), p.x.end(), std::uint8_t(value));
                p.input_zero = 128;
                p.bias = {3 - channels * 9 * (value - 128) * weight};
                p.multiplier = {1};
                compute_sums(p);
                CHECK(check(p, kernel, {0, 3, 1, 19}));
                p.bias = {1};
                p.multiplier = {1.1e-6f};
                compute_sums(p);
                CHECK(check(p, kernel, {0, 3, 1, 19}));
            }
        }
    });
}

TEST_CASE("int8 branch kernels compute the rows of a cropped output and no others") {
    std::mt19937 rng(7);
    for_each_kernel(Algorithm::int8_branch, [&](const Kernel& kernel) {
        for (const auto& [first, rows] : {std::pair{0, 3}, {3, 1}, {4, 6}}) {
            INFO(kernel.name << ": rows " << first << " to " << first + rows);
            const int known = kernel.as<Int8BranchInfo>().channels;
            const Int8Problem p = known > 0 ? make_branch(known, {3, 3}, {1, 1}, 10, 19, rng)
                                            : make_branch(3, {5, 5}, {2, 2}, 10, 19, rng);
            CHECK(check(p, kernel, {first, rows, 1, 19}));
        }
    });
}
