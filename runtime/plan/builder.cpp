#include "plan/builder.h"

#include <algorithm>

namespace sluice {

Buffer view(const Layout& layout) {
    return {layout.memory, layout.index, layout.origin, halide_type_of<float>(), layout.axes};
}

Buffer pixels(const Layout& layout, std::int64_t channels) {
    Buffer buffer = view(layout);
    buffer.axes = {{channels, 1}, layout.axes[2], layout.axes[1]};
    return buffer;
}

std::vector<Axis> dense_axes(const Shape& shape) {
    std::vector<Axis> axes(shape.size());
    std::int64_t stride = 1;
    for (std::size_t axis = shape.size(); axis-- > 0; stride *= shape[axis]) {
        axes[axis] = {shape[axis], stride};
    }
    return axes;
}

Builder::Builder(const Graph& graph_, const Target& target_, const PlanOptions& options_)
    : graph(graph_),
      target(target_),
      options(options_),
      lanes(target_.lanes),
      constants(graph_),
      readers_(graph_),
      layouts_(graph_.values.size()) {
    measure_halos();
}

Shape Builder::picture_shape(ValueId id) const {
    const Shape& shape = graph.values[std::size_t(id)].shape;
    return {shape.begin() + 1, shape.end()};
}

std::int64_t Builder::padded_elements(ValueId id) const {
    const Shape shape = picture_shape(id);
    if (shape.size() != 3) {
        return element_count(shape);
    }
    const auto& halo = halos_[std::size_t(id)];
    return (halo[0] + shape[1] + halo[2]) * (halo[1] + shape[2] + halo[3]) *
           channel_pitch(shape[0]);
}

/// Readers come after writers, so one walk from the back sees what an alias's readers need before
/// the value that lends it its memory.
void Builder::measure_halos() {
    halos_.assign(graph.values.size(), {0, 0, 0, 0});
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
        if (node->op != Op::fused_conv && !is_alias(*node)) {
            continue;
        }
        auto& halo = halos_[std::size_t(node->inputs[0])];
        for (std::size_t side = 0; side < 4; ++side) {
            const std::int64_t needed = node->op == Op::fused_conv
                                            ? node->fused_conv->pads[side]
                                            : halos_[std::size_t(node->outputs[0])][side];
            halo[side] = std::max(halo[side], needed);
        }
    }
}

bool Builder::only_gates(ValueId id) const {
    return !readers_.is_output(id) && readers_.every(id, [](const Node& node, std::size_t input) {
        return node.op == Op::fused_conv && input == 1;
    });
}

bool Builder::only_convolutions(ValueId id) const {
    return !readers_.is_output(id) && readers_.every(id, [](const Node& node, std::size_t input) {
        return node.op == Op::fused_conv && input == 0;
    });
}

bool Builder::only_copied(ValueId id) const {
    return readers_.every(id, [](const Node& node, std::size_t) {
        return node.op == Op::slice || node.op == Op::pad || node.op == Op::concat ||
               node.op == Op::transpose || node.op == Op::expand;
    });
}

Layout Builder::picture_layout(ValueId id, std::int64_t pitch) {
    const Shape shape = picture_shape(id);
    const auto& halo = halos_[std::size_t(id)];
    Layout layout;
    std::copy(halo.begin(), halo.end(), layout.halo);
    const std::int64_t row = (halo[1] + shape[2] + halo[3]) * pitch;
    layout.axes = {{shape[0], 1}, {shape[1], row}, {shape[2], pitch}};
    layout.origin = halo[0] * row + halo[1] * pitch;
    layout.index = int(blocks_.size());
    blocks_.push_back({(halo[0] + shape[1] + halo[2]) * row});
    return layout;
}

const Layout& Builder::allocate(const Node& node, bool writes_all_lanes) {
    const ValueId id = node.outputs[0];
    const Shape shape = picture_shape(id);
    Layout layout;
    if (shape.size() == 3) {
        // A map that only gates read needs no lanes beside it.
        const bool is_map =
            shape[0] == 1 && node.op == Op::fused_conv && !writes_all_lanes && only_gates(id);
        layout = picture_layout(id, is_map ? 1 : channel_pitch(shape[0]));
    } else {
        layout.index = int(blocks_.size());
        layout.axes = dense_axes(shape);
        blocks_.push_back({round_up(element_count(shape), std::int64_t(memory_alignment / 4))});
    }
    return settle(node, std::move(layout), writes_all_lanes);
}

const Layout& Builder::allocate_input(const Node& node) {
    const ValueId id = node.outputs[0];
    if (picture_shape(id).size() != 3 || !only_convolutions(id)) {
        return allocate(node, false);
    }
    return settle(node, picture_layout(id, picture_shape(id)[0]), true);
}

/// Says which elements of the last block its writer leaves at zero.
void Builder::keep_zeros(const Layout& layout, bool writes_all_lanes) {
    const auto& h = layout.halo;
    const bool spares_lanes = !writes_all_lanes && layout.pitch() != layout.channels();
    if (!spares_lanes && !h[0] && !h[1] && !h[2] && !h[3]) {
        return;
    }
    const std::array<std::int64_t, 6> written = {
        layout.origin,  spares_lanes ? layout.channels() : layout.pitch(),
        layout.pitch(), layout.width(),
        layout.row(),   layout.height()};
    blocks_.back().zeros = zeros_.emplace(written, int(zeros_.size())).first->second;
}

const Layout& Builder::settle(const Node& node, Layout layout, bool writes_all_lanes) {
    if (layout.is_picture()) {
        keep_zeros(layout, writes_all_lanes);
    }
    std::optional<Layout>& place = layouts_[std::size_t(node.outputs[0])];
    place = std::move(layout);
    return *place;
}

Buffer Builder::scratch(std::int64_t elements, halide_type_t type, std::vector<Axis> axes) {
    blocks_.push_back({elements});
    return {Memory::arena, int(blocks_.size()) - 1, 0, type, std::move(axes)};
}

Buffer Builder::scratch_picture(std::int64_t channels, std::int64_t width, std::int64_t height) {
    const std::int64_t pitch = channel_pitch(channels);
    Layout layout;
    layout.index = int(blocks_.size());
    layout.axes = {{channels, 1}, {height, width * pitch}, {width, pitch}};
    blocks_.push_back({width * height * pitch});
    keep_zeros(layout, false);
    return pixels(layout, pitch);
}

const GateLists& Builder::gate_lists(const Node& node, ValueId gate, std::int64_t channel) {
    const auto key = std::pair(gate, channel);
    if (const auto found = gate_lists_.find(key); found != gate_lists_.end()) {
        return found->second;
    }
    Buffer map = pixels(layout(gate), 1);
    map.offset += channel;
    map.axes = {map.axes[1], map.axes[2]};
    return gate_lists_[key] = scan(node, map);
}

GateLists Builder::scan(const Node& node, const Buffer& map) {
    // The kernel takes positions of a row by eights, and writes that many at once.
    constexpr std::int64_t group = 8;
    const std::int64_t width = map.axes[0].extent, height = map.axes[1].extent;
    const std::int64_t capacity = height * width + group;
    const std::int64_t groups = round_up(width, group) / group * height + 1;
    const auto u32 = halide_type_of<std::uint32_t>();
    const auto i32 = halide_type_of<std::int32_t>();
    GateLists lists;
    lists.active = scratch(capacity, u32, {{capacity, 1}});
    lists.skipped = scratch(capacity, u32, {{capacity, 1}});
    lists.active_count = scratch(2, i32, {{2, 1}});
    lists.skipped_count = lists.active_count;
    lists.skipped_count.offset += 1;
    lists.masks = scratch(2 * groups, i32, {{2, 1}, {groups, 2}});
    Step step;
    step.kernel = find_kernel(Algorithm::positions, target);
    step.node = node.name;
    step.shape = "1x" + std::to_string(height) + "x" + std::to_string(width);
    step.arguments = {map, lists.active, lists.skipped, lists.active_count, lists.masks};
    emit(std::move(step));
    return lists;
}

const TileLists& Builder::tiles(const Node& node, const GateLists& lists, const Buffer& map,
                                const Kernel& winograd) {
    const std::int64_t side = winograd.as<WinogradInfo>().side;
    const auto key = std::tuple(lists.masks.index, side, winograd.as<WinogradInfo>().break_even);
    if (const auto found = tiles_.find(key); found != tiles_.end()) {
        return found->second;
    }
    const std::int64_t width = map.axes[1].extent, height = map.axes[2].extent;
    const std::int64_t capacity = count_tiles(height, side) * count_tiles(width, side) + 1;
    const auto i32 = halide_type_of<std::int32_t>();
    TileLists tiles;
    tiles.open = scratch(capacity, halide_type_of<std::uint32_t>(), {{capacity, 1}});
    tiles.closed = scratch(capacity, halide_type_of<std::uint32_t>(), {{capacity, 1}});
    tiles.open_count = scratch(3, i32, {{3, 1}});
    tiles.pays = tiles.open_count;
    tiles.pays.offset += 1;
    tiles.closed_count = tiles.open_count;
    tiles.closed_count.offset += 2;
    Buffer positions = lists.active_count;
    positions.axes = {{1, 1}};
    Step step;
    step.kernel = find_kernel(Algorithm::tiles, target);
    step.node = node.name;
    step.shape = "1x" + std::to_string(height) + "x" + std::to_string(width);
    step.arguments = {
        lists.masks,          positions,
        std::int32_t(side),   std::int32_t(width),
        std::int32_t(height), float(winograd.as<WinogradInfo>().break_even * double(side * side)),
        tiles.open,           tiles.closed,
        tiles.open_count,     scratch(capacity, i32, {{capacity, 1}})};
    emit(std::move(step));
    return tiles_[key] = tiles;
}

Result<const Kernel*> Builder::kernel(const Node& node, Algorithm algorithm) const {
    return checked(node, find_kernel(algorithm, target));
}

Result<const Kernel*> Builder::kernel(const Node& node, BinaryOperation operation) const {
    return checked(node, find_kernel(operation, target));
}

Result<const Kernel*> Builder::checked(const Node& node, const Kernel* found) const {
    if (found == nullptr) {
        return unsupported(node, "has no kernel for " + std::string(target.id),
                           "choose another target");
    }
    return found;
}

namespace {

/// All buffers that a step reads or writes.
template <typename Visit>
void for_each_buffer(Step& step, Visit visit) {
    for (Argument& argument : step.arguments) {
        if (Buffer* buffer = std::get_if<Buffer>(&argument)) {
            visit(*buffer);
        }
    }
    if (step.list.argument >= 0 && step.list.static_count < 0) {
        visit(step.list.count);
    }
    if (step.list.outputs) {
        visit(*step.list.outputs);
    }
    if (step.condition) {
        visit(step.condition->count);
    }
}

}  // namespace

void Builder::use(const Buffer& buffer) {
    if (buffer.memory != Memory::arena) {
        return;
    }
    Block& block = blocks_[std::size_t(buffer.index)];
    const std::size_t step = plan.steps.size();
    block.first = block.is_used ? block.first : step;
    block.last = step;
    block.is_used = true;
}

void Builder::emit(Step step) {
    for_each_buffer(step, [this](const Buffer& buffer) { use(buffer); });
    plan.steps.push_back(std::move(step));
}

Status Builder::unsupported(const Node& node, std::string what, std::string remedy) const {
    return error_at(graph, node, std::move(what), std::move(remedy));
}

Status Builder::finish() {
    // Gates are read after the run, so their counts live to its end.
    for (const GateSource& source : plan.gate_sources) {
        for (const Buffer& count : source.counts) {
            blocks_[std::size_t(count.index)].last = plan.steps.size();
        }
    }
    plan.arena_bytes = std::size_t(place_blocks(blocks_)) * 4;
    const auto place = [this](Buffer& buffer) {
        if (buffer.memory == Memory::arena) {
            buffer.offset += blocks_[std::size_t(buffer.index)].offset;
        }
    };
    for (Step& step : plan.steps) {
        for_each_buffer(step, place);
    }
    for (GateSource& source : plan.gate_sources) {
        place(source.values);
        for (Buffer& count : source.counts) {
            place(count);
        }
    }
    plan.constants = constants.take();
    if (plan.constants.data() == nullptr) {
        return Status(Problem{
            graph.file, {}, "there is no memory for its packed weights", "close other programs"});
    }
    return {};
}

}  // namespace sluice
