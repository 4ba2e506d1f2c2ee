#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "kernels/conv_problem.h"
#include "kernels/winograd_reference.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Tensor;

namespace {

using Tiles = std::vector<std::uint32_t>;  ///< row << 16 | column
using Sizes = std::vector<std::pair<int, int>>;

const WinogradInfo& info_of(const Kernel& kernel) { return kernel.as<WinogradInfo>(); }

/// How far rounding may take an output, for values, taps and scales as make_problem draws them: six
/// standard deviations. An output sums 36 terms A B G, where the direct sum has 9. Along an extent,
/// sum(A^2 |B|^2 |G|^2) is largest for a tile's last output: 2.8 + 2.8 + 23.3 + 23.3 + 42 = 94.3
/// for F(4, 3), less for F(2, 3); 3.8 + 3.8 + 23.6 + 23.6 + 42 = 96.8 for F(3, 4); 3 + 0.8 + 17.8 +
/// 10 = 31.6 for F(4, 2), whose sums run over four phases. Of that both extents together give the
/// square, and the direct sum its taps. The root is how much larger the terms are. Each running sum
/// of n products rounds n times, at a size that grows as sqrt(n): sqrt(n^2 / 6) half units. The six
/// transforms each round sums of the full size.
float rounding(const ConvCase& c) {
    const bool in_phases = c.stride[0] == 2;
    const int channels = in_phases ? 4 * c.channels : c.channels;
    const double amplification = in_phases ? 31.6 : c.kernel[0] == 4 ? 96.8 : 94.3;
    constexpr double deviations = 6, largest_scale = 2, half_unit = 0x1p-24;
    constexpr double product = 1.0 / 3;  // of two numbers in -1 .. 1, root of the mean square
    constexpr double transforms = 6;
    const double roundings = channels / std::sqrt(6.0) + std::sqrt(transforms * channels);
    return float(deviations * largest_scale * half_unit * product * amplification * roundings);
}

/// A layer that the kernel computes, by the extents of its output and its pads. At stride 2 the
/// padded input ends with the pixel that the last output's phases would begin with, were they a tap
/// longer.
ConvCase layer_of(const Kernel& kernel, int channels, int outputs, std::pair<int, int> extents,
                  const std::array<int, 4>& pads) {
    const WinogradInfo& info = info_of(kernel);
    const int stride = info.stride, size = stride == 2 ? 3 : info.taps;
    const auto padded = [&](int extent) { return stride * (extent + info.taps - 1); };
    return {channels,
            outputs,
            padded(extents.first) - pads[0] - pads[2],
            padded(extents.second) - pads[1] - pads[3],
            {size, size},
            {stride, stride},
            pads};
}

/// Without a clamp between product and gate, which no Winograd kernel has.
ConvProblem winograd_problem(const ConvCase& c, std::mt19937& rng) {
    ConvProblem p = make_problem(c, rng);
    p.conv.act = {};
    return p;
}

/// Floats from a pixel of the input to the next: the kernel's own, or whole vectors.
int channel_stride(const Kernel& kernel, int channels) {
    const int own = info_of(kernel).channels;
    return own > 0 ? own : round_up(channels, kernel.lanes);
}

bool serves(const Kernel& kernel, int channels) {
    const WinogradInfo& info = info_of(kernel);
    const int stride = channel_stride(kernel, channels);
    return info.channels > 0 ? info.channels == channels
                             : info.least_channels <= stride && stride <= info.most_channels;
}

/// Channels of a small layer that the kernel is for.
int few_channels(const Kernel& kernel) {
    const WinogradInfo& info = info_of(kernel);
    return info.channels > 0 ? info.channels : std::max(24, info.least_channels);
}

PackedConv pack(const ConvProblem& p, const Kernel& kernel, bool beside_taps = false) {
    return {p, kernel, channel_stride(kernel, p.shape.channels), beside_taps};
}

/// The first outputs of a map's tiles along an extent, of which the last one ends with it.
std::vector<int> tile_starts(int side, int extent) {
    std::vector<int> at;
    for (int i = 0; i < extent; i += side) {
        at.push_back(std::min(i, extent - side));
    }
    return at;
}

/// Tiles of a map where any gate of `map` is open, row after row; all of them where it is negative.
Tiles open_tiles(const ConvProblem& p, int side, const Tensor& gate, int map) {
    const std::vector<int> rows = tile_starts(side, p.height);
    const std::vector<int> columns = tile_starts(side, p.width);
    const int grid = int(p.conv.gate_grid);
    Tiles list;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        for (std::size_t column = 0; column < columns.size(); ++column) {
            bool is_open = map < 0;
            for (int i = 0; i < side * side && !is_open; ++i) {
                const int y = (rows[row] + i / side) / grid,
                          x = (columns[column] + i % side) / grid;
                const std::int64_t line = map * gate.shape[2] + y;
                is_open = gate.data[std::size_t(line * gate.shape[3] + x)] != 0;
            }
            if (is_open) {
                list.push_back(std::uint32_t(row) << 16 | std::uint32_t(column));
            }
        }
    }
    return list;
}

/// Any tiles of the map, some more than once.
Tiles random_tiles(const ConvProblem& p, int side, int count, std::mt19937& rng) {
    Tiles list;
    for (int i = 0; i < count; ++i) {
        const auto draw = [&](int extent) {
            return rng() % std::uint32_t(tile_starts(side, extent).size());
        };
        const std::uint32_t row = draw(p.height);
        list.push_back(row << 16 | draw(p.width));
    }
    return list;
}

/// One list each `channels_a_list` outputs: these tiles are what the reference says, and all else
/// is untouched.
void check_output(const ConvProblem& p, int side, const Strided& got, const Tensor* gate,
                  const std::vector<Tiles>& lists, int channels_a_list) {
    const Tensor want =
        reference::gated(p.conv, p.products, gate, p.has_residual ? &p.residual : nullptr);
    const int size = p.height * p.width;
    const std::vector<int> rows = tile_starts(side, p.height);
    const std::vector<int> columns = tile_starts(side, p.width);
    std::vector<bool> listed(lists.size() * std::size_t(size), false);
    for (std::size_t list = 0; list < lists.size(); ++list) {
        for (const std::uint32_t tile : lists[list]) {
            for (int i = 0; i < side * side; ++i) {
                const int y = rows[tile >> 16] + i / side, x = columns[tile & 0xffff] + i % side;
                listed[list * std::size_t(size) + std::size_t(y * p.width + x)] = true;
            }
        }
    }
    const auto expected = [&](const Index& at) {
        const int pixel = at[2] * p.width + at[1];
        if (!listed[std::size_t(at[0] / channels_a_list * size + pixel)]) {
            return untouched;
        }
        return at[0] < p.shape.outputs
                   ? want.data[std::size_t(at[0] * size + pixel)]
                   : std::min(std::max(0.0f, p.conv.post.low), p.conv.post.high);
    };
    CHECK(got.wrong(expected, within(rounding(p.shape))) == 0);
}

/// Lists about the lengths of a chunk and its tail, whose tiles overlap anyhow.
void check_lengths(const ConvProblem& p, const PackedConv& packed, const Kernel& kernel,
                   const Tensor& gate, bool is_gated, std::mt19937& rng) {
    const int chunk = info_of(kernel).pixels;
    for (int count : {0, 1, 2, 3, chunk - 1, chunk, chunk + 1, 2 * chunk + 3}) {
        INFO(count << " tiles");
        const Tiles list = random_tiles(p, info_of(kernel).side, count, rng);
        Strided output = packed.output();
        packed.run(gate, 0, list, 0, packed.output_stride(), output);
        check_output(p, info_of(kernel).side, output, is_gated ? &gate : nullptr, {list},
                     packed.output_stride());
    }
}

void check_dense(const ConvProblem& p, const Kernel& kernel, std::mt19937& rng) {
    const PackedConv packed = pack(p, kernel);
    const Tensor none = make_gate(p, 1, 0, rng);
    const Tiles all = open_tiles(p, info_of(kernel).side, none, -1);
    Strided output = packed.output();
    packed.run(none, 0, all, 0, packed.output_stride(), output);
    check_output(p, info_of(kernel).side, output, nullptr, {all}, packed.output_stride());
    check_lengths(p, packed, kernel, none, false, rng);
}

void check_element_gates(const ConvProblem& p, const Kernel& kernel, std::mt19937& rng) {
    const PackedConv packed = pack(p, kernel);
    for (double density : {0.0, -1.0, 0.1, 0.5, 1.0}) {
        INFO("density " << density);
        const Tensor gate = make_gate(p, p.shape.outputs, density, rng);
        const Tiles all = open_tiles(p, info_of(kernel).side, gate, -1);
        Strided output = packed.output();
        packed.run(gate, 0, all, 0, packed.output_stride(), output);
        check_output(p, info_of(kernel).side, output, &gate, {all}, packed.output_stride());
    }
    check_lengths(p, packed, kernel, make_gate(p, p.shape.outputs, 0.5, rng), true, rng);
}

/// One list and one call a map, over the map's own output channels.
void check_maps(const ConvProblem& p, const Kernel& kernel, int maps, std::mt19937& rng,
                bool beside_taps = false) {
    const PackedConv packed = pack(p, kernel, beside_taps);
    const int each = packed.output_stride() / maps;
    for (double density : {0.0, -1.0, 0.03, 0.1, 0.5, 1.0}) {
        INFO("density " << density << ", maps " << maps);
        const Tensor gate = make_gate(p, maps, density, rng);
        std::vector<Tiles> lists;
        Strided output = packed.output();
        for (int map = 0; map < maps; ++map) {
            lists.push_back(open_tiles(p, info_of(kernel).side, gate, map));
            packed.run(gate, map, lists.back(), map * each, each, output);
        }
        check_output(p, info_of(kernel).side, output, &gate, lists, each);
    }
}

void check_position_gates(const ConvProblem& p, const Kernel& kernel, std::mt19937& rng) {
    const PackedConv packed = pack(p, kernel);
    check_maps(p, kernel, 1, rng);
    check_lengths(p, packed, kernel, make_gate(p, 1, 0.5, rng), true, rng);
}

// Outputs of a closed gate that lie in an open tile are the constant as well.
void check_tile_gates(const ConvProblem& positions, const Kernel& kernel, std::mt19937& rng) {
    ConvProblem p = positions;
    p.conv.gate_grid = 4;
    check_maps(p, kernel, 1, rng);
}

void check_beside_taps(const ConvProblem& p, const Kernel& kernel, std::mt19937& rng) {
    check_maps(p, kernel, 1, rng, true);
}

using Check = std::function<void(const ConvProblem&, const Kernel&, std::mt19937&)>;

/// The kernels that serve so many channels on maps of each size, over one block of outputs, and
/// over two of which the second is padded.
void check_sizes(GateForm gate, int channels, const Sizes& sizes, const Check& check) {
    std::mt19937 rng(20261124 + channels);
    int served = 0;
    for_each_kernel(Algorithm::winograd_conv, gate, [&](const Kernel& kernel) {
        if (!serves(kernel, channels)) {
            return;
        }
        ++served;
        for (const auto& size : sizes) {
            for (int outputs : {kernel.block(), 2 * kernel.block() - 3}) {
                const ConvCase c = layer_of(kernel, channels, outputs, size, {1, 1, 1, 1});
                INFO(kernel.name << ": " << to_string(c));
                check(winograd_problem(c, rng), kernel, rng);
            }
        }
    });
    CHECK(served > 0);
}

Sizes sizes_of(int channels) {
    if (channels > 64) {
        return {{7, 7}, {4, 5}};
    }
    return {{4, 4}, {5, 4}, {4, 7}, {7, 9}, {14, 5}, {8, 14}, {9, 32}, {32, 8}};
}

}  // namespace

// Cases a channel count, so that ctest runs them side by side.
TEMPLATE_TEST_CASE_SIG("dense Winograd kernels equal the scalar reference, channels", "",
                       ((int channels), channels), 1, 3, 12, 16, 24, 32, 48, 64, 96, 128, 192, 200,
                       368, 512) {
    check_sizes(GateForm::none, channels, sizes_of(channels), check_dense);
}

TEMPLATE_TEST_CASE_SIG("element-gated Winograd kernels equal the scalar reference, channels", "",
                       ((int channels), channels), 1, 3, 16, 24, 48, 96, 192, 200, 512) {
    check_sizes(GateForm::element, channels, sizes_of(channels), check_element_gates);
}

TEMPLATE_TEST_CASE_SIG("gated Winograd kernels equal the scalar reference, channels", "",
                       ((int channels), channels), 1, 3, 16, 24, 32, 48, 64, 96, 192, 200, 512) {
    check_sizes(GateForm::position, channels, sizes_of(channels), check_position_gates);
}

TEST_CASE("Winograd kernels equal the scalar reference on layers of their own channels") {
    std::mt19937 rng(23);
    const std::pair<GateForm, Check> forms[] = {{GateForm::none, check_dense},
                                                {GateForm::element, check_element_gates},
                                                {GateForm::position, check_position_gates}};
    for (const auto& [form, check] : forms) {
        for_each_kernel(Algorithm::winograd_conv, form, [&, &check = check](const Kernel& kernel) {
            const int channels = info_of(kernel).channels;
            if (channels > 0) {
                const ConvCase c =
                    layer_of(kernel, channels, 2 * kernel.block() - 3, {9, 6}, {1, 1, 1, 1});
                INFO(kernel.name << ": " << to_string(c));
                check(winograd_problem(c, rng), kernel, rng);
            }
        });
    }
}

TEST_CASE("Winograd kernels of tiles of 2x2 read points among a direct kernel's taps") {
    check_sizes(GateForm::position, 512, sizes_of(512), check_beside_taps);
}

TEMPLATE_TEST_CASE_SIG("Winograd kernels take a gate for every 4x4 outputs, channels", "",
                       ((int channels), channels), 3, 16, 32, 64, 96, 200, 512) {
    check_sizes(GateForm::position, channels, sizes_of(channels), check_tile_gates);
}

TEST_CASE("Winograd kernels take group gates, a list a channel block or several") {
    std::mt19937 rng(7);
    for_each_kernel(Algorithm::winograd_conv, GateForm::position, [&](const Kernel& kernel) {
        if (few_channels(kernel) > 64) {
            return;
        }
        for (const auto& [maps, blocks] : {std::pair{2, 1}, {3, 1}, {2, 2}}) {
            const ConvCase c = layer_of(kernel, few_channels(kernel),
                                        maps * blocks * kernel.block(), {9, 14}, {1, 1, 1, 1});
            INFO(kernel.name << ": " << to_string(c));
            const ConvProblem p = winograd_problem(c, rng);
            check_maps(p, kernel, maps, rng);
        }
    });
}

namespace {

/// By output, whether a tile that writes it reads this pixel of the input.
std::vector<bool> reached(const ConvProblem& p, const Kernel& kernel, int pixel) {
    const WinogradInfo& info = info_of(kernel);
    const int reach = info.stride * (info.side + info.taps - 1);
    const int y = pixel / p.shape.width + p.shape.pads[0];
    const int x = pixel % p.shape.width + p.shape.pads[1];
    std::vector<bool> marks(std::size_t(p.height * p.width), false);
    for (const int top : tile_starts(info.side, p.height)) {
        for (const int left : tile_starts(info.side, p.width)) {
            const int down = y - info.stride * top, right = x - info.stride * left;
            if (down < 0 || down >= reach || right < 0 || right >= reach) {
                continue;
            }
            for (int i = 0; i < info.side * info.side; ++i) {
                const int line = top + i / info.side;
                marks[std::size_t(line * p.width + left + i % info.side)] = true;
            }
        }
    }
    return marks;
}

}  // namespace

// From the input they spread over a tile; from the gate and the residual they do not.
TEST_CASE("Winograd kernels give NaN where the scalar reference does") {
    std::mt19937 rng(13);
    for (const GateForm form : {GateForm::none, GateForm::position, GateForm::element}) {
        for_each_kernel(Algorithm::winograd_conv, form, [&](const Kernel& kernel) {
            if (few_channels(kernel) > 64) {
                return;
            }
            for (const Clamp& post : all_clamps()) {
                const ConvCase c =
                    layer_of(kernel, few_channels(kernel), kernel.block(), {14, 9}, {1, 1, 1, 1});
                INFO(kernel.name << ": " << to_string(c) << ", " << post.low << " to "
                                 << post.high);
                ConvProblem p = make_problem(c, rng);
                p.conv.act = {};
                p.conv.post = post;
                p.has_residual = true;
                spoil(p.residual.data, rng);
                const std::size_t bad = rng() % p.x.data.size();
                p.x.data[bad] = std::numeric_limits<float>::quiet_NaN();
                const std::vector<bool> is_reached =
                    reached(p, kernel, int(bad) % (c.height * c.width));
                p.products = reference::conv2d(p.x, weights_of(p), p.conv.bias,
                                               {c.stride[0], c.stride[1]}, {1, 1, 1, 1});
                const int maps = form == GateForm::element ? c.outputs : 1;
                Tensor gate = make_gate(p, maps, 1, rng);
                spoil(gate.data, rng);
                const PackedConv packed = pack(p, kernel);
                Strided got = packed.output();
                packed.run(gate, 0, open_tiles(p, info_of(kernel).side, gate, -1), 0,
                           packed.output_stride(), got);
                const Tensor want = reference::gated(
                    p.conv, p.products, form == GateForm::none ? nullptr : &gate, &p.residual);
                int wrong = 0, finite = 0;
                got.for_each([&](const Index& at) {
                    const int pixel = at[2] * p.width + at[1];
                    const float expected =
                        want.data[std::size_t(at[0] * p.height * p.width + pixel)];
                    if (std::isnan(expected) || !is_reached[std::size_t(pixel)]) {
                        wrong += !within(rounding(c))(got.at(at), expected);
                        finite += std::isfinite(expected);
                    }
                });
                CHECK(wrong == 0);
                CHECK(finite > 0);
            }
        });
    }
}

TEST_CASE("Winograd kernels take fewer channels than their channel stride, and any pads") {
    std::mt19937 rng(11);
    const std::pair<GateForm, Check> forms[] = {{GateForm::none, check_dense},
                                                {GateForm::position, check_position_gates},
                                                {GateForm::element, check_element_gates}};
    for (const auto& [form, check] : forms) {
        for_each_kernel(Algorithm::winograd_conv, form, [&, &check = check](const Kernel& kernel) {
            if (few_channels(kernel) > 32) {
                return;
            }
            for (const std::array<int, 4>& pads : {std::array{0, 0, 0, 0}, {2, 0, 1, 3}}) {
                const ConvCase c =
                    layer_of(kernel, few_channels(kernel) - 3, kernel.block(), {5, 8}, pads);
                INFO(kernel.name << ": " << to_string(c));
                check(winograd_problem(c, rng), kernel, rng);
            }
        });
    }
}
