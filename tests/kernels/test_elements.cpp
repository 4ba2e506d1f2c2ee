#include <catch2/catch.hpp>

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "kernels/conv_problem.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Tensor;

namespace {

constexpr int group = 8;     // channels that the scan takes at once
constexpr int written = 16;  // entries that it writes at once
constexpr std::uint32_t untouched_entry = 0xdeadbeef;

/// What the scan of a gate map [k, x, y] writes.
struct Lists {
    int capacity;
    std::vector<std::uint32_t> entries;  ///< channels, then positions
    std::int32_t tiles;
};

Lists scan(const Kernel& kernel, const std::vector<float>& gate, int channels, int channel_stride,
           int width, int height, int tile) {
    const int capacity = width * height * round_up(channels, tile) + written;
    const int groups = round_up(channels, group) / group * width * height + 1, margin = 16;
    Lists lists{capacity, std::vector<std::uint32_t>(2 * capacity + margin, untouched_entry), -7};
    std::vector<std::int32_t> masks(2 * groups + margin, -7);
    View g(gate.data(), {{channels, 1}, {width, channel_stride}, {height, width * channel_stride}});
    View l(lists.entries.data(), {{capacity, 1}, {2, capacity}});
    View c(&lists.tiles, {}), m(masks.data(), {{2, 1}, {groups, 2}});
    REQUIRE(call(kernel, ElementsCall<halide_buffer_t*>{
                             .gate = g, .tile = tile, .list = l, .tiles = c, .groups = m}) == 0);
    for (int i = 0; i < margin; ++i) {
        CHECK(lists.entries[std::size_t(2 * capacity + i)] == untouched_entry);
        CHECK(masks[std::size_t(2 * groups + i)] == -7);
    }
    return lists;
}

/// Open channels in order, each position from a whole tile on; the rest of a tile may be any
/// channel.
void check_lists(const Lists& lists, const std::vector<float>& gate, int channels,
                 int channel_stride, int width, int height, int tile) {
    int at = 0, wrong = 0;
    for (int i = 0; i < width * height; ++i) {
        const std::uint32_t position = std::uint32_t(i / width) << 16 | std::uint32_t(i % width);
        for (int k = 0; k < channels; ++k) {
            if (gate[std::size_t(i * channel_stride + k)] != 0) {
                wrong += lists.entries[std::size_t(at)] != std::uint32_t(k);
                wrong += lists.entries[std::size_t(lists.capacity + at)] != position;
                ++at;
            }
        }
        for (; at % tile != 0; ++at) {
            wrong += lists.entries[std::size_t(at)] >= std::uint32_t(channels);
            wrong += lists.entries[std::size_t(lists.capacity + at)] != position;
        }
    }
    CHECK(wrong == 0);
    CHECK(lists.tiles == at / tile);
}

/// A gate map [k, x, y] at a density, one gate alone where that is negative. Ones in the lanes
/// beside the channels, which are no gates.
std::vector<float> draw_gate(int channels, int channel_stride, int positions, double density,
                             std::mt19937& rng) {
    const float opened[] = {0.25f, -3.0f, std::numeric_limits<float>::denorm_min(),
                            std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()};
    std::uniform_real_distribution<double> draw(0, 1);
    std::vector<float> gate(std::size_t(positions * channel_stride), 1.0f);
    const int only = int(rng() % unsigned(positions * channels));
    for (int i = 0; i < positions * channels; ++i) {
        const bool is_open = density < 0 ? i == only : draw(rng) < density;
        gate[std::size_t(i / channels * channel_stride + i % channels)] = is_open
                                                                              ? opened[rng() % 5]
                                                                          : rng() % 2 ? 0.0f
                                                                                      : -0.0f;
    }
    return gate;
}

}  // namespace

TEST_CASE("elements kernels list open channels position by position, in whole tiles") {
    std::mt19937 rng(20261124);
    for_each_kernel(Algorithm::elements, [&](const Kernel& kernel) {
        for (int channels : {1, 3, 7, 8, 9, 15, 16, 17, 64, 100}) {
            for (const auto& [height, width] : {std::pair{1, 1}, {7, 5}, {3, 16}}) {
                for (double density : {0.0, -1.0, 0.1, 0.5, 1.0}) {
                    const int tile = 1 << rng() % 4,
                              channel_stride = round_up(channels, kernel.lanes);
                    INFO(kernel.name << ": channels " << channels << ", " << width << "x" << height
                                     << ", density " << density << ", tile " << tile);
                    const std::vector<float> gate =
                        draw_gate(channels, channel_stride, width * height, density, rng);
                    check_lists(scan(kernel, gate, channels, channel_stride, width, height, tile),
                                gate, channels, channel_stride, width, height, tile);
                }
            }
        }
    });
}

TEST_CASE("open_count kernels count the gates that are not zero, of any strides") {
    std::mt19937 rng(7);
    for_each_kernel(Algorithm::open_count, [&](const Kernel& kernel) {
        for (int channels : {1, 3, 7, 8, 9, 15, 16, 17, 64, 100}) {
            for (const auto& [height, width] : {std::pair{1, 1}, {7, 5}, {3, 16}}) {
                for (double density : {0.0, -1.0, 0.1, 0.5, 1.0}) {
                    const int channel_stride = channels + int(rng() % 20);
                    INFO(kernel.name << ": channels " << channels << " of " << channel_stride
                                     << ", " << width << "x" << height << ", density " << density);
                    const Guarded gate(
                        draw_gate(channels, channel_stride, width * height, density, rng));
                    std::int32_t expected = 0;
                    for (int i = 0; i < width * height * channels; ++i) {
                        expected += gate.data()[i / channels * channel_stride + i % channels] != 0;
                    }
                    std::int32_t counts[] = {-7, -7, -7};
                    View count(counts + 1, {});
                    View g(gate.data(), {{channels, 1},
                                         {width, channel_stride},
                                         {height, width * channel_stride},
                                         {1, 0}});
                    REQUIRE(call(kernel,
                                 OpenCountCall<halide_buffer_t*>{.gate = g, .count = count}) == 0);
                    CHECK(counts[1] == expected);
                    CHECK((counts[0] == -7 && counts[2] == -7));
                }
            }
        }
    });
}

namespace {

/// The tiles of a gate's open elements, as the elements kernels list them: (tile, element, row).
std::vector<std::uint32_t> list_tiles(const ConvProblem& p, const Tensor& gate, int tile) {
    std::vector<std::uint32_t> channels, positions;
    for (int i = 0; i < p.height * p.width; ++i) {
        const auto position = std::uint32_t(i / p.width) << 16 | std::uint32_t(i % p.width);
        for (int k = 0; k < p.shape.outputs; ++k) {
            if (gate.data[std::size_t(k * p.height * p.width + i)] != 0) {
                channels.push_back(std::uint32_t(k));
                positions.push_back(position);
            }
        }
        while (channels.size() % std::size_t(tile) != 0) {
            channels.push_back(0);  // whatever its gate: closed elements come out right too
            positions.push_back(position);
        }
    }
    channels.insert(channels.end(), positions.begin(), positions.end());
    return channels;
}

/// Weights [K, C, kh, kw] as (kx * channel_stride + c, ky, k).
std::vector<float> pack_rows(const ConvProblem& p, int channel_stride) {
    const auto [rows, columns] = p.shape.kernel;
    const int row = columns * channel_stride, channels = p.shape.channels;
    std::vector<float> packed(std::size_t(p.shape.outputs * rows * row));
    for (int i = 0; i < p.shape.outputs * channels * rows * columns; ++i) {
        const int x = i % columns, y = i / columns % rows;
        const int c = i / (columns * rows) % channels, k = i / (columns * rows * channels);
        packed[std::size_t((k * rows + y) * row + x * channel_stride + c)] =
            p.conv.weights->floats()[std::size_t(i)];
    }
    return packed;
}

void check_dots(const ConvProblem& p, const Kernel& kernel, const Tensor& gate) {
    const int outputs = p.shape.outputs, channel_stride = round_up(p.shape.channels, kernel.lanes);
    const int padded_width = p.shape.pads[1] + p.shape.width + p.shape.pads[3];
    const int padded_height = p.shape.pads[0] + p.shape.height + p.shape.pads[2];
    const auto [rows, columns] = p.shape.kernel;
    const int row = columns * channel_stride, tile = kernel.as<DotInfo>().elements;
    const std::vector<std::uint32_t> list = list_tiles(p, gate, tile);
    const int entries = int(list.size()) / 2;
    if (entries == 0) {
        return;  // as the session does
    }
    const Guarded input(to_nhwc(p.x, channel_stride, p.shape.pads)),
        weights(pack_rows(p, channel_stride));
    const Guarded maps(to_nhwc(gate, outputs, {})), residuals(to_nhwc(p.residual, outputs, {}));
    std::vector<float> epilogue = p.conv.bias;
    epilogue.insert(epilogue.end(), p.conv.scale.begin(), p.conv.scale.end());
    epilogue.insert(epilogue.end(), p.conv.shift.begin(), p.conv.shift.end());

    View in(input.data(),
            {{padded_width * channel_stride, 1}, {padded_height, padded_width * channel_stride}});
    View tiles(list.data(), {{entries / tile, tile}, {tile, 1}, {2, entries}});
    View w(weights.data(), {{row, 1}, {rows, row}, {outputs, rows * row}});
    View e(epilogue.data(), {{outputs, 1}, {3, outputs}});
    View g(maps.data(), {{outputs, 1}, {p.width, outputs}, {p.height, p.width * outputs}});
    View r(residuals.data(), {{outputs, 1}, {p.width, outputs}, {p.height, p.width * outputs}});
    Strided output({{outputs, 1}, {p.width, outputs}, {p.height, p.width * outputs}}, 64);
    View out = output.view();
    const Clamp &act = p.conv.act, &post = p.conv.post;
    REQUIRE(call(kernel, DotConvCall<halide_buffer_t*>{.input = in,
                                                       .list = tiles,
                                                       .weights = w,
                                                       .epilogue = e,
                                                       .gate = g,
                                                       .residual = r,
                                                       .stride_x = p.shape.stride[1],
                                                       .stride_y = p.shape.stride[0],
                                                       .channel_stride = channel_stride,
                                                       .act_low = act.low,
                                                       .act_high = act.high,
                                                       .post_low = post.low,
                                                       .post_high = post.high,
                                                       .output = out}) == 0);

    const Tensor want = reference::gated(p.conv, p.products, &gate, &p.residual);
    const int size = p.height * p.width;
    std::vector<bool> listed(gate.data.size());
    for (int i = 0; i < entries; ++i) {
        const std::uint32_t at = list[std::size_t(entries + i)];
        const int pixel = int(at >> 16) * p.width + int(at & 0xffff);
        listed[std::size_t(int(list[std::size_t(i)]) * size + pixel)] = true;
    }
    const auto expected = [&](const Index& at) {
        const std::size_t i = std::size_t(at[0] * size + at[2] * p.width + at[1]);
        return listed[i] ? want.data[i] : untouched;
    };
    const int taps = p.shape.channels * rows * columns;
    CHECK(output.wrong(expected, within(1e-6f * float(taps) + 1e-5f)) == 0);
}

}  // namespace

TEST_CASE("dot_conv kernels compute the listed elements as the scalar reference does") {
    std::mt19937 rng(11);
    for_each_kernel(Algorithm::dot_conv, [&](const Kernel& kernel) {
        for (int channels : {1, 3, 15, 16, 17, 32, 64, 100}) {
            for (const auto& [height, width] : {std::pair{1, 1}, {7, 5}, {9, 8}}) {
                for (int k : {1, 3, 5}) {
                    const DotInfo& info = kernel.as<DotInfo>();
                    const bool serves = (info.channels == 0 || info.channels == channels) &&
                                        (info.kernel == 0 || info.kernel == k);
                    if (!serves) {
                        continue;
                    }
                    const int stride = 1 + int(rng() % 2), outputs = 1 + int(rng() % 40);
                    const ConvCase c{channels,
                                     outputs,
                                     height,
                                     width,
                                     {k, k},
                                     {stride, stride},
                                     {k / 2, k / 2, k / 2, k / 2}};
                    const ConvProblem p = make_problem(c, rng);
                    for (double density : {0.0, -1.0, 0.1, 0.5, 1.0}) {
                        INFO(kernel.name << ": " << to_string(c) << ", density " << density);
                        check_dots(p, kernel, make_gate(p, outputs, density, rng));
                    }
                }
            }
        }
    });
}

TEST_CASE("dot_conv kernels equal the scalar reference on layers of their own channels") {
    std::mt19937 rng(13);
    for_each_kernel(Algorithm::dot_conv, [&](const Kernel& kernel) {
        const auto& info = kernel.as<DotInfo>();
        if (info.channels == 0) {
            return;
        }
        const int k = info.kernel, pad = k / 2;
        for (int stride : {1, 2}) {
            const ConvCase c{info.channels,       19, 7, 10, {k, k}, {stride, stride},
                             {pad, pad, pad, pad}};
            INFO(kernel.name << ": " << to_string(c));
            const ConvProblem p = make_problem(c, rng);
            check_dots(p, kernel, make_gate(p, c.outputs, 0.3, rng));
        }
    });
}

TEST_CASE("dot_conv kernels give NaN and infinities where the scalar reference does") {
    std::mt19937 rng(12);
    for_each_kernel(Algorithm::dot_conv, [&](const Kernel& kernel) {
        // No lanes beside the channels, whose weights of zero would meet infinities.
        const int own = kernel.as<DotInfo>().channels, channels = own ? own : kernel.lanes;
        const int k = own ? kernel.as<DotInfo>().kernel : 3;
        for (int round = 0; round < 8; ++round) {
            const int pad = round % 2;
            const ConvCase c{channels, 11, 7, 6, {k, k}, {1, 1}, {pad, pad, pad, pad}};
            ConvProblem p = make_problem(c, rng);
            spoil(p, rng);
            Tensor gate = make_gate(p, c.outputs, 1, rng);
            spoil(gate.data, rng);
            INFO(kernel.name << ": " << to_string(c));
            check_dots(p, kernel, gate);
        }
    });
}
