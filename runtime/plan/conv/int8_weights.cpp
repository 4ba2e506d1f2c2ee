#include "plan/conv/int8_weights.h"

#include <algorithm>
#include <array>

#include "graph/aligned.h"
#include "plan/conv/int8_excess.h"
#include "plan/share_out.h"

namespace sluice {
namespace {

/// (k % lanes * dot + i % dot, i / dot, ky, k % block / lanes, k / block) for i = kx * channel
/// stride + c. A block is one part of its width, or several that lie behind each other. A part's
/// patches are padded to a multiple of `depth`.
struct Int8Layout {
    std::int64_t outputs, block, lanes, dot, depth, row, rows, channel_stride;
    bool has_steps;

    /// A kernel of steps reads the vectors of a block side by side.
    std::int64_t width() const { return has_steps ? block : lanes; }
    std::int64_t groups() const { return (row + dot - 1) / dot; }
    std::int64_t blocks() const { return outputs / block; }
    std::int64_t part_size() const { return round_up(rows * groups() * dot, depth) * width(); }
    std::int64_t block_size() const { return block / width() * part_size(); }
    Axis vectors() const { return {block / lanes, has_steps ? lanes * dot : part_size()}; }
    std::vector<Axis> axes() const {
        return {{lanes * dot, 1},
                {groups(), width() * dot},
                {rows, groups() * width() * dot},
                vectors(),
                {blocks(), block_size()}};
    }
};

Int8Layout make_layout(const Convolution& c, const Kernel& kernel) {
    const Shape& shape = c.conv.weights->shape;
    const auto& info = kernel.as<Int8Info>();
    const bool is_matrix = info.depth > 0;
    return {.outputs = c.outputs,
            .block = kernel.block(),
            .lanes = kernel.lanes,
            .dot = info.group(),
            .depth = is_matrix ? info.depth : info.group(),
            .row = shape[3] * c.channel_stride,
            .rows = shape[2],
            .channel_stride = c.channel_stride,
            .has_steps = info.has_steps()};
}

/// Writes the weights of one block of outputs, zeros where there are none.
void write_block(const Constant& weights, const Int8Layout& layout, std::int64_t number,
                 std::int8_t* start) {
    const Shape& shape = weights.shape;
    const std::int64_t channels = shape[1], columns = shape[3], taps = shape[2] * columns;
    const std::int64_t dot = layout.dot, group = layout.width() * dot;
    std::fill_n(start, layout.block_size(), std::int8_t{0});
    const std::int64_t end = std::min((number + 1) * layout.block, shape[0]);
    for (std::int64_t k = number * layout.block; k < end; ++k) {
        const std::int8_t* const output = weights.int8s().data() + k * channels * taps;
        for (std::int64_t tap = 0; tap < taps; ++tap) {
            const std::int64_t first = tap % columns * layout.channel_stride;
            std::int8_t* to = start + k % layout.block / layout.width() * layout.part_size() +
                              (tap / columns * layout.groups() + first / dot) * group +
                              k % layout.width() * dot;
            std::int64_t rest = first % dot;
            for (std::int64_t c = 0; c < channels; ++c) {
                to[rest] = output[c * taps + tap];
                if (++rest == dot) {
                    rest = 0;
                    to += group;
                }
            }
        }
    }
}

Buffer pack_whole(Constants& constants, const Constant& weights, const Int8Layout& layout) {
    return constants.add_packed_as<std::int8_t>(
        layout.blocks() * layout.block_size(), layout.axes(), layout.blocks(),
        [&](std::int8_t* to, std::int64_t part) {
            write_block(weights, layout, part, to + part * layout.block_size());
        });
}

/// Of each block, the steps that are read twice.
std::vector<std::vector<std::int32_t>> find_steps_read_twice(const Constant& weights,
                                                             const Int8Layout& layout) {
    std::vector<std::vector<std::int32_t>> found(std::size_t(layout.blocks()));
    const std::int64_t size = layout.block_size();
    share_out(layout.blocks(), threads_for(std::size_t(size * layout.blocks())),
              [&](std::int64_t part) {
                  std::vector<std::int8_t> block(static_cast<std::size_t>(size));
                  write_block(weights, layout, part, block.data());
                  found[std::size_t(part)] = find_excess(block, layout.width() * layout.dot);
              });
    return found;
}

/// The weights, and where each step's bytes lie in a patch, `row` bytes from one of its rows to the
/// next. All blocks have as many steps: the last ones of some have weights of zero.
void pack_steps(Constants& constants, const Constant& weights, const Int8Layout& layout,
                std::int64_t row, Packed& packed) {
    const auto again = find_steps_read_twice(weights, layout);
    const std::int64_t blocks = layout.blocks(), once = layout.rows * layout.groups();
    std::size_t most = 0;
    for (const auto& of_block : again) {
        most = std::max(most, of_block.size());
    }
    const std::int64_t count = once + std::int64_t(most), bytes = layout.width() * layout.dot;
    packed.weights = constants.add_packed_as<std::int8_t>(
        blocks * count * bytes,
        {{layout.lanes * layout.dot, 1},
         {count, bytes},
         {1, 0},
         layout.vectors(),
         {blocks, count * bytes}},
        blocks, [&](std::int8_t* all, std::int64_t part) {
            std::int8_t* const to = all + part * count * bytes;
            write_block(weights, layout, part, to);
            std::int8_t* rest = to + once * bytes;
            std::fill(rest, to + count * bytes, std::int8_t{0});
            for (const std::int32_t step : again[std::size_t(part)]) {
                move_excess({to + step * bytes, std::size_t(bytes)}, {rest, std::size_t(bytes)});
                rest += bytes;
            }
        });
    std::vector<std::int32_t> steps(std::size_t(blocks * count), 0);
    for (std::int64_t block = 0; block < blocks; ++block) {
        const auto& of_block = again[std::size_t(block)];
        for (std::int64_t i = 0; i < once + std::int64_t(of_block.size()); ++i) {
            const std::int64_t step = i < once ? i : of_block[std::size_t(i - once)];
            steps[std::size_t(block * count + i)] =
                std::int32_t(step / layout.groups() * row + step % layout.groups() * layout.dot);
        }
    }
    packed.steps = constants.add_ints(steps, {{count, 1}, {blocks, count}});
}

Buffer pack_epilogue(Constants& constants, const Int8Numbers& n, std::int64_t outputs) {
    std::vector<float> rows(std::size_t(2 * outputs));
    std::copy(n.multiplier.begin(), n.multiplier.end(), rows.begin());
    std::copy(n.shift.begin(), n.shift.end(), rows.begin() + outputs);
    return constants.add_floats(rows, {{outputs, 1}, {2, outputs}});
}

std::optional<Quantization> quantization_of(const Graph& graph, const std::vector<ValueId>& ids,
                                            std::size_t index) {
    const bool is_there = index < ids.size() && ids[index] != no_value;
    return is_there ? graph.values[std::size_t(ids[index])].quantization : std::nullopt;
}

}  // namespace

Quantizations quantizations(const Graph& graph, const Node& node) {
    return {quantization_of(graph, node.inputs, 0).value_or(Quantization{}),
            quantization_of(graph, node.inputs, 2), quantization_of(graph, node.outputs, 0)};
}

Packed pack_int8_end(Constants& constants, const Convolution& c, const Quantizations& of,
                     int offset) {
    Packed packed;
    std::vector<std::int32_t> bias = *int8_bias(c.conv, of.input, offset);
    bias.resize(std::size_t(c.outputs));
    packed.bias = constants.add_ints(bias, {{c.outputs, 1}});
    packed.epilogue = pack_epilogue(constants, int8_numbers(c.conv, of), c.outputs);
    return packed;
}

Packed pack_int8(Constants& constants, const Convolution& c, const Quantizations& of,
                 const Kernel& kernel) {
    const Constant& weights = *c.conv.weights;
    const Int8Layout layout = make_layout(c, kernel);
    const auto& info = kernel.as<Int8Info>();
    Packed packed = pack_int8_end(constants, c, of, info.offset);
    if (info.has_steps()) {
        pack_steps(constants, weights, layout, c.input.axes[1].stride, packed);
    } else {
        packed.weights = pack_whole(constants, weights, layout);
        packed.steps = constants.add_ints(std::array{0}, {{1, 0}, {layout.blocks(), 0}});
    }
    return packed;
}

Buffer pack_int8_rows(Constants& constants, const FusedConv& conv, std::int64_t channel_stride,
                      std::int64_t bytes) {
    const Shape& shape = conv.weights->shape;
    const std::int64_t row = round_up(shape[3] * channel_stride, bytes);
    return constants.add_packed_as<std::int8_t>(
        shape[2] * row, {{row, 1}, {shape[2], row}}, 1, [&](std::int8_t* to, std::int64_t) {
            std::fill_n(to, shape[2] * row, std::int8_t{0});
            const std::int8_t* from = conv.weights->int8s().data();
            for (std::int64_t c = 0; c < shape[1]; ++c) {
                for (std::int64_t y = 0; y < shape[2]; ++y) {
                    for (std::int64_t x = 0; x < shape[3]; ++x) {
                        to[y * row + x * channel_stride + c] = *from++;
                    }
                }
            }
        });
}

Status check_int8(const Planner& planner, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const Quantization input = quantizations(planner.graph, node).input;
    for (const int offset : {0, 128}) {  // that any target's kernels have
        if (!int8_bias(conv, input, offset)) {
            return planner.unsupported(node, "has a bias or weights whose sums could leave int32",
                                       "quantise it again with larger scales of its weights");
        }
    }
    return {};
}

}  // namespace sluice
