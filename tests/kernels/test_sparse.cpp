#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "kernels/conv_problem.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Tensor;

namespace {

constexpr int taps = 9;

/// A 3x3 convolution over what a gated layer wrote.
struct SparseProblem {
    ConvProblem conv;
    Tensor from;                ///< the gate of the input
    std::vector<float> closed;  ///< the input where that is zero, a channel each
};

void convolve(SparseProblem& p) {
    p.conv.products =
        reference::conv2d(p.conv.x, weights_of(p.conv), p.conv.conv.bias, {1, 1}, {1, 1, 1, 1});
}

SparseProblem make_sparse_problem(const ConvCase& c, double density, bool is_zero,
                                  std::mt19937& rng) {
    SparseProblem p{make_problem(c, rng), {}, {}};
    p.from = make_gate(p.conv, 1, density, rng);
    p.closed = is_zero ? std::vector<float>(std::size_t(c.channels), 0.0f)
                       : random_values(rng, std::size_t(c.channels), -1, 1);
    const std::size_t size = std::size_t(c.height * c.width);
    for (std::size_t i = 0; i < p.conv.x.data.size(); ++i) {
        if (p.from.data[i % size] == 0) {
            p.conv.x.data[i] = p.closed[i / size];
        }
    }
    convolve(p);
    return p;
}

/// (k, x, y): the reference's convolution of a map of 3x3 pixels, each of `closed`, has the nine
/// cases that there are at the borders of any map.
std::vector<float> pack_borders(const SparseProblem& p, int output_stride) {
    const Constant& weights = *p.conv.conv.weights;
    const float* data = weights.floats().data();
    const int channels = p.conv.shape.channels, outputs = p.conv.shape.outputs;
    Tensor constant{{1, channels, 3, 3}, {}};
    for (const float value : p.closed) {
        constant.data.insert(constant.data.end(), 9, value);
    }
    const std::size_t count = std::size_t(outputs * channels * taps);
    const Tensor borders = reference::conv2d(constant, {weights.shape, {data, data + count}},
                                             p.conv.conv.bias, {1, 1}, {1, 1, 1, 1});
    return to_nhwc(borders, output_stride, {});
}

/// (k, tap).
std::vector<float> pack_closed(const SparseProblem& p, int output_stride) {
    const float* weight = p.conv.conv.weights->floats().data();
    std::vector<float> out(std::size_t(taps * output_stride), 0.0f);
    for (int k = 0; k < p.conv.shape.outputs; ++k) {
        for (int c = 0; c < p.conv.shape.channels; ++c) {
            for (int tap = 0; tap < taps; ++tap) {
                out[std::size_t(tap * output_stride + k)] += *weight++ * p.closed[std::size_t(c)];
            }
        }
    }
    return out;
}

/// (k % lanes, kx * channel_stride + c, ky, k / lanes).
std::vector<float> pack_weights(const SparseProblem& p, int channel_stride, int lanes,
                                int output_stride) {
    const float* weight = p.conv.conv.weights->floats().data();
    std::vector<float> out(std::size_t(taps * channel_stride * output_stride), 0.0f);
    for (int k = 0; k < p.conv.shape.outputs; ++k) {
        for (int c = 0; c < p.conv.shape.channels; ++c) {
            for (int tap = 0; tap < taps; ++tap) {
                const int at = (k / lanes * taps + tap) * channel_stride + c;
                out[std::size_t(at * lanes + k % lanes)] = *weight++;
            }
        }
    }
    return out;
}

/// As kernel_map states them, with as much room as it asks for.
struct PairLists {
    int capacity;
    std::vector<std::uint32_t> pairs;
    std::vector<std::int32_t> counts;
};

PairLists list_pairs(const SparseProblem& p, const Tensor& to, int row, int pixels) {
    const int height = p.conv.height, width = p.conv.width;
    PairLists lists{height * width + std::max(pixels, 8), {}, std::vector<std::int32_t>(taps + 4)};
    lists.pairs.assign(std::size_t(taps * lists.capacity), 0xdeadbeef);
    for (int tap = 0; tap < taps; ++tap) {
        auto next = lists.pairs.begin() + tap * lists.capacity;
        for (int y = 0; y < height; ++y) {
            for (int x = 0; x < width; ++x) {
                const int v = y + tap / 3 - 1, u = x + tap % 3 - 1;
                if (v >= 0 && v < height && u >= 0 && u < width &&
                    p.from.data[std::size_t(v * width + u)] != 0 &&
                    to.data[std::size_t(y * width + x)] != 0) {
                    *next++ = std::uint32_t(y * row + x);
                    ++lists.counts[std::size_t(tap)];
                }
            }
        }
        std::fill_n(next, pixels, std::uint32_t(width));
    }
    return lists;
}

/// (k, row), what is not read far off.
std::vector<float> pack_epilogue(const FusedConv& conv, int output_stride) {
    std::vector<float> rows(std::size_t(3 * output_stride), untouched);
    std::fill(rows.begin() + output_stride, rows.end(), 0.0f);
    std::copy(conv.scale.begin(), conv.scale.end(), rows.begin() + output_stride);
    std::copy(conv.shift.begin(), conv.shift.end(), rows.begin() + 2 * output_stride);
    return rows;
}

// Outputs first .. first + count. Rows of the input are `spare` pixels longer than they need be.
void run(const Kernel& kernel, const SparseProblem& p, const Tensor& to, int first, int count,
         int spare, Strided& output) {
    const ConvProblem& c = p.conv;
    const PairsInfo& info = kernel.as<PairsInfo>();
    const int channel_stride = info.channels, block = kernel.block(), row = c.width + 2 + spare;
    const int output_stride = round_up(c.shape.outputs, block), pixels = row * c.height;
    const int lanes = kernel.lanes, panel = taps * channel_stride * lanes;
    const Guarded input(to_nhwc(c.x, channel_stride, {1, 1, 1, 1 + spare}));
    const Guarded weights(pack_weights(p, channel_stride, lanes, output_stride));
    const Guarded borders(pack_borders(p, output_stride)), closed(pack_closed(p, output_stride));
    const Guarded epilogue(pack_epilogue(c.conv, output_stride)), gate(to_nhwc(to, 1, {}));
    const Guarded residual(c.has_residual ? to_nhwc(c.residual, output_stride, {})
                                          : std::vector<float>(std::size_t(output_stride), 0.0f));
    Guarded sums(std::vector<float>(std::size_t(pixels * output_stride),
                                    std::numeric_limits<float>::quiet_NaN()));
    const std::vector<std::uint32_t> positions = list_positions(c, to, 0);
    const PairLists lists = list_pairs(p, to, row, info.pixels);
    const int residual_x = c.has_residual ? output_stride : 0;

    View in(input.data(), {{row * channel_stride, 1}, {c.height + 2, row * channel_stride}});
    View list(positions.data(), {{int(positions.size()), 1}});
    View pairs(lists.pairs.data(), {{lists.capacity, 1}, {taps, lists.capacity}});
    View counts(lists.counts.data(), {{taps + 4, 1}});
    View w(weights.data() + first / lanes * panel, {{lanes, 1},
                                                    {3 * channel_stride, lanes},
                                                    {3, 3 * channel_stride * lanes},
                                                    {count / lanes, panel}});
    View b(borders.data() + first, {{count, 1}, {3, output_stride}, {3, 3 * output_stride}});
    View cl(closed.data() + first, {{count, 1}, {taps, output_stride}});
    View e(epilogue.data() + first, {{count, 1}, {3, output_stride}});
    View g(gate.data(), {{1, 1}, {c.width, 1}, {c.height, c.width}});
    View r(residual.data() + first,
           {{count, 1}, {c.width, residual_x}, {c.height, c.width * residual_x}});
    View s(sums.data() + first * pixels,
           {{block, 1}, {pixels, block}, {count / block, block * pixels}});
    View out = output.view();
    out.buffer.host += std::size_t(first) * sizeof(float);
    out.dims[0].extent = count;
    const Clamp &act = c.conv.act, &post = c.conv.post;
    REQUIRE(call(kernel, SparseConvCall<halide_buffer_t*>{.input = in,
                                                          .positions = list,
                                                          .pairs = pairs,
                                                          .counts = counts,
                                                          .weights = w,
                                                          .borders = b,
                                                          .skipped = cl,
                                                          .epilogue = e,
                                                          .gate = g,
                                                          .residual = r,
                                                          .act_low = act.low,
                                                          .act_high = act.high,
                                                          .post_low = post.low,
                                                          .post_high = post.high,
                                                          .sums = s,
                                                          .output = out}) == 0);
}

// Where the output's gate is closed stands what stood; channels beyond the last are zero.
void check_output(const SparseProblem& p, const Tensor& to, const Strided& got) {
    const ConvProblem& c = p.conv;
    const Tensor want =
        reference::gated(c.conv, c.products, &to, c.has_residual ? &c.residual : nullptr);
    const int outputs = c.shape.outputs;
    const auto expected = [&](const Index& at) {
        const int pixel = at[2] * c.width + at[1];
        if (to.data[std::size_t(pixel)] == 0) {
            return untouched;
        }
        return at[0] < outputs ? want.data[std::size_t(at[0] * c.height * c.width + pixel)]
                               : std::min(std::max(0.0f, c.conv.post.low), c.conv.post.high);
    };
    // Twice the taps of the direct sum: what `closed` adds, the taps take away again.
    CHECK(got.wrong(expected, within(2e-6f * float(c.shape.channels * taps) + 1e-5f)) == 0);
}

void check(const Kernel& kernel, const SparseProblem& p, const Tensor& to, std::mt19937& rng) {
    const int block = kernel.block(), output_stride = round_up(p.conv.shape.outputs, block);
    const int row = (p.conv.width + 1) * output_stride;
    Strided output({{output_stride, 1}, {p.conv.width, output_stride}, {p.conv.height, row}},
                   output_margin);
    // As threads share the blocks out.
    const int half = output_stride / block / 2 * block, spare = int(rng() % 3);
    for (const auto& [first, count] : {std::array{0, half}, {half, output_stride - half}}) {
        if (count > 0) {
            run(kernel, p, to, first, count, spare, output);
        }
    }
    check_output(p, to, output);
}

}  // namespace

TEST_CASE("sparse_conv kernels equal the scalar reference over a gated input") {
    std::mt19937 rng(20261126);
    for_each_kernel(Algorithm::sparse_conv, [&](const Kernel& kernel) {
        // Many positions or many channels: both at once show nothing new, for minutes.
        const int channels = kernel.as<PairsInfo>().channels;
        const auto largest = channels > 64 ? std::array{5, 7} : std::array{13, 17};
        for (const auto& [height, width] : {std::array{2, 2}, {2, 9}, {3, 5}, {7, 12}, largest}) {
            for (const int fewer : {0, 3}) {
                const int outputs = std::min(channels, 64) + 2 * kernel.block() - fewer;
                const ConvCase c{channels - fewer, outputs, height,      width,
                                 {3, 3},           {1, 1},  {1, 1, 1, 1}};
                for (const auto& [density, open] : {std::pair{0.0, 0.4},
                                                    {-1.0, 1.0},
                                                    {0.3, -1.0},
                                                    {0.3, 0.4},
                                                    {0.7, 1.0},
                                                    {1.0, 0.4}}) {
                    const SparseProblem p = make_sparse_problem(c, density, rng() % 3 == 0, rng);
                    Tensor to = make_gate(p.conv, 1, open, rng);
                    to.data[rng() % to.data.size()] = 0.5f;  // a list is never empty
                    INFO(kernel.name << ": " << to_string(c) << ", densities " << density << " and "
                                     << open);
                    check(kernel, p, to, rng);
                }
            }
        }
    });
}

TEST_CASE("sparse_conv kernels give NaN and infinities where the scalar reference does") {
    std::mt19937 rng(14);
    for_each_kernel(Algorithm::sparse_conv, [&](const Kernel& kernel) {
        for (int round = 0; round < 8; ++round) {
            const ConvCase c{kernel.as<PairsInfo>().channels,
                             kernel.block(),
                             7,
                             12,
                             {3, 3},
                             {1, 1},
                             {1, 1, 1, 1}};
            SparseProblem p = make_sparse_problem(c, 0.4, round % 2 == 0, rng);
            spoil(p.conv.residual.data, rng);
            for (std::size_t i = 0; i < p.conv.x.data.size(); i += 97) {
                if (p.from.data[i % p.from.data.size()] != 0) {
                    p.conv.x.data[i] = i % 2 ? std::numeric_limits<float>::quiet_NaN()
                                             : std::numeric_limits<float>::infinity();
                }
            }
            convolve(p);
            Tensor to = make_gate(p.conv, 1, 0.7, rng);
            spoil(to.data, rng);
            INFO(kernel.name << ": " << to_string(c) << ", round " << round);
            check(kernel, p, to, rng);
        }
    });
}
