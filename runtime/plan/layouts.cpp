#include "plan/layouts.h"

#include <algorithm>

#include "graph/aligned.h"
#include "plan/conv/transposed.h"

namespace sluice {

halide_type_t halide_type(ElementType type) {
    switch (type) {
        case ElementType::int64:
            return halide_type_of<std::int64_t>();
        case ElementType::uint8:
            return halide_type_of<std::uint8_t>();
        case ElementType::int8:
            return halide_type_of<std::int8_t>();
        default:
            return halide_type_of<float>();
    }
}

std::vector<Axis> dense_axes(const Shape& shape) {
    std::vector<Axis> axes(shape.size());
    std::int64_t stride = 1;
    for (std::size_t axis = shape.size(); axis-- > 0; stride *= shape[axis]) {
        axes[axis] = {shape[axis], stride};
    }
    return axes;
}

Buffer view(const Layout& layout) {
    return {layout.memory, layout.index, layout.origin, halide_type(layout.type), layout.axes};
}

Buffer pixels(const Layout& layout, std::int64_t channels) {
    Buffer buffer = view(layout);
    buffer.axes = {{channels, 1}, layout.axes[2], layout.axes[1]};
    return buffer;
}

Buffer from_channel(Buffer buffer, std::int64_t first, std::int64_t count) {
    buffer.offset += first * buffer.axes[0].stride;
    buffer.axes[0].extent = count;
    return buffer;
}

Buffer entry_of(Buffer counts, std::int64_t index) {
    counts.offset += index;
    counts.axes = {{1, 1}};
    return counts;
}

Layouts::Layouts(const Graph& graph, const Readers& readers, std::int64_t lanes, Arena& arena)
    : graph_(&graph),
      readers_(&readers),
      lanes_(lanes),
      arena_(&arena),
      layouts_(graph.values.size()) {
    measure_halos();
}

/// Readers come after writers, so one walk from the back sees what an alias's readers need before
/// the value that lends it its memory.
void Layouts::measure_halos() {
    halos_.assign(graph_->values.size(), {0, 0, 0, 0});
    for (auto node = graph_->nodes.rbegin(); node != graph_->nodes.rend(); ++node) {
        if (node->op != Op::fused_conv && !is_alias(*node)) {
            continue;
        }
        auto& halo = halos_[std::size_t(node->inputs[0])];
        const auto needed = node->op == Op::fused_conv
                                ? halo_of(*node->fused_conv, image_shape(node->inputs[0]),
                                          image_shape(node->outputs[0]))
                                : halos_[std::size_t(node->outputs[0])];
        for (std::size_t side = 0; side < 4; ++side) {
            halo[side] = std::max(halo[side], needed[side]);
        }
    }
}

Shape Layouts::image_shape(ValueId id) const {
    const Shape& shape = graph_->values[std::size_t(id)].shape;
    return {shape.begin() + 1, shape.end()};
}

std::int64_t Layouts::padded_elements(ValueId id) const {
    const Shape shape = image_shape(id);
    if (shape.size() != 3) {
        return element_count(shape);
    }
    const auto& halo = halos_[std::size_t(id)];
    return (halo[0] + shape[1] + halo[2]) * (halo[1] + shape[2] + halo[3]) *
           channel_stride(shape[0]);
}

Layout Layouts::empty_layout(ValueId id) const {
    const Value& value = graph_->values[std::size_t(id)];
    Layout layout;
    if (value.quantization) {
        layout.type = ElementType::uint8;
        layout.zero = std::uint8_t(value.quantization->zero_point);
    }
    return layout;
}

Layout Layouts::image_layout(ValueId id, std::int64_t channel_stride) const {
    const Shape shape = image_shape(id);
    const auto& halo = halos_[std::size_t(id)];
    Layout layout = empty_layout(id);
    std::copy(halo.begin(), halo.end(), layout.halo);
    const std::int64_t row = (halo[1] + shape[2] + halo[3]) * channel_stride;
    layout.axes = {{shape[0], 1}, {shape[1], row}, {shape[2], channel_stride}};
    layout.origin = halo[0] * row + halo[1] * channel_stride;
    return layout;
}

/// None where the writer of an image leaves no element of its block as it is.
std::optional<WrittenElements> Layouts::written(const Layout& layout, bool writes_all_lanes) const {
    const auto& h = layout.halo;
    const bool spares_lanes = !writes_all_lanes && layout.type == ElementType::float32 &&
                              layout.channel_stride() != layout.channels();
    if (!spares_lanes && !h[0] && !h[1] && !h[2] && !h[3]) {
        return std::nullopt;
    }
    return WrittenElements{
        layout.origin,           spares_lanes ? layout.channels() : layout.channel_stride(),
        layout.channel_stride(), layout.width(),
        layout.row_stride(),     layout.height(),
        bytes_of(layout.type),   layout.zero};
}

Layout Layouts::with_memory(Layout layout, bool writes_all_lanes) {
    const std::int64_t rows = layout.halo[0] + layout.height() + layout.halo[2];
    layout.index = arena_->add_block(rows * layout.row_stride() * bytes_of(layout.type));
    const auto elements = written(layout, writes_all_lanes);
    if (elements) {
        arena_->keep_others(layout.index, *elements);
    }
    contents_[layout.index].written = elements;
    return layout;
}

void Layouts::set(ValueId id, Layout layout) {
    if (layout.memory == Memory::arena) {
        contents_[layout.index].values.push_back(id);
    }
    layouts_[std::size_t(id)] = std::move(layout);
}

Layout Layouts::allocate(const Node& node, bool writes_all_lanes) {
    const ValueId id = node.outputs[0];
    const Shape shape = image_shape(id);
    if (shape.size() != 3) {
        Layout layout = empty_layout(id);
        layout.axes = dense_axes(shape);
        layout.index = arena_->add_block(
            round_up(element_count(shape) * bytes_of(layout.type), std::int64_t(memory_alignment)));
        return layout;
    }
    // A map that only gates read needs no lanes beside it.
    const bool is_map =
        shape[0] == 1 && node.op == Op::fused_conv && !writes_all_lanes && readers_->only_gates(id);
    return with_memory(image_layout(id, is_map ? 1 : channel_stride(shape[0])), writes_all_lanes);
}

Layout Layouts::allocate_input(const Node& node) {
    const ValueId id = node.outputs[0];
    const Shape shape = image_shape(id);
    const bool is_map = shape.size() == 3 && shape[0] == 1 && readers_->only_gates(id);
    if (shape.size() != 3 || !(readers_->only_convolved(id) || is_map)) {
        return allocate(node, false);
    }
    return with_memory(image_layout(id, shape[0]), true);
}

std::optional<Layout> Layouts::reuse(const Node& node, ValueId input) const {
    const ValueId id = node.outputs[0];
    const Layout& from = of(input);
    if (from.memory != Memory::arena || !from.is_image() || image_shape(id) != image_shape(input)) {
        return std::nullopt;
    }
    Layout layout = image_layout(id, channel_stride(from.channels()));
    layout.index = from.index;
    const Contents& contents = contents_.at(from.index);
    const bool is_free =
        std::none_of(contents.values.begin(), contents.values.end(),
                     [&](ValueId value) { return readers_->is_read_after(node, value); });
    const bool is_same = layout.origin == from.origin && layout.type == from.type &&
                         layout.zero == from.zero && layout.row_stride() == from.row_stride() &&
                         layout.channel_stride() == from.channel_stride() &&
                         std::equal(layout.halo, layout.halo + 4, from.halo) &&
                         contents.written == written(layout, true);
    return is_free && is_same ? std::optional(layout) : std::nullopt;
}

Buffer Layouts::scratch_image(std::int64_t channels, std::int64_t width, std::int64_t height,
                              ElementType type) {
    const std::int64_t stride = channel_stride(channels);
    Layout layout;
    layout.type = type;
    layout.axes = {{channels, 1}, {height, width * stride}, {width, stride}};
    return pixels(with_memory(std::move(layout), false), stride);
}

}  // namespace sluice
