#include "plan/gate_scans.h"

#include "graph/aligned.h"
#include "kernels/list_layout.h"

namespace sluice {
namespace {

Step scan_step(const Kernel* kernel, const std::string& node, const std::string& shape) {
    Step step;
    step.kernel = kernel;
    step.node = node;
    step.shape = shape;
    return step;
}

}  // namespace

std::string map_shape(std::int64_t width, std::int64_t height) {
    return "1x" + std::to_string(height) + "x" + std::to_string(width);
}

const GateLists& GateScans::lists(std::vector<Step>& steps, const std::string& node, ValueId gate,
                                  const Layout& layout, std::int64_t channel) {
    const auto key = std::pair(gate, channel);
    if (const auto found = lists_.find(key); found != lists_.end()) {
        return found->second;
    }
    Buffer map = from_channel(pixels(layout, layout.channels()), channel, 1);
    map.axes.erase(map.axes.begin());
    return lists_[key] = scan(steps, node, map);
}

GateLists GateScans::scan(std::vector<Step>& steps, const std::string& node, const Buffer& map) {
    const std::int64_t width = map.axes[0].extent, height = map.axes[1].extent;
    const std::int64_t capacity = height * width + mask_bits;
    const std::int64_t groups = round_up(width, mask_bits) / mask_bits * height + 1;
    const auto u32 = halide_type_of<std::uint32_t>();
    const auto i32 = halide_type_of<std::int32_t>();
    const Buffer counts = arena_->scratch(2, i32, {{2, 1}});
    const GateLists lists{arena_->scratch(capacity, u32, {{capacity, 1}}),
                          arena_->scratch(capacity, u32, {{capacity, 1}}), entry_of(counts, 0),
                          entry_of(counts, 1),
                          arena_->scratch(2 * groups, i32, {{2, 1}, {groups, 2}})};
    Step step =
        scan_step(find_kernel(Algorithm::positions, *target_), node, map_shape(width, height));
    set_call(step, PositionsCall<Buffer>{.gate = map,
                                         .active = lists.active,
                                         .skipped = lists.skipped,
                                         .counts = counts,
                                         .groups = lists.masks});
    steps.push_back(std::move(step));
    return lists;
}

const TileLists& GateScans::tiles(std::vector<Step>& steps, const std::string& node,
                                  const GateLists& lists, std::int64_t width, std::int64_t height,
                                  std::int64_t side) {
    const auto key = std::pair(lists.masks.index, side);
    if (const auto found = tiles_.find(key); found != tiles_.end()) {
        return found->second;
    }
    const std::int64_t capacity = count_tiles(height, side) * count_tiles(width, side) + 1;
    const auto u32 = halide_type_of<std::uint32_t>();
    const auto i32 = halide_type_of<std::int32_t>();
    const Buffer counts = arena_->scratch(2, i32, {{2, 1}});
    const TileLists tiles{arena_->scratch(capacity, u32, {{capacity, 1}}),
                          arena_->scratch(capacity, u32, {{capacity, 1}}), entry_of(counts, 0),
                          entry_of(counts, 1)};
    Step step = scan_step(find_kernel(Algorithm::tiles, *target_), node, map_shape(width, height));
    set_call(step, TilesCall<Buffer>{.masks = lists.masks,
                                     .side = std::int32_t(side),
                                     .width = std::int32_t(width),
                                     .height = std::int32_t(height),
                                     .active = tiles.active,
                                     .skipped = tiles.skipped,
                                     .counts = counts,
                                     .before = arena_->scratch(capacity, i32, {{capacity, 1}})});
    steps.push_back(std::move(step));
    return tiles_[key] = tiles;
}

const GatedValue* GateScans::gated_value(ValueId id) const {
    const auto found = gated_values_.find(id);
    return found == gated_values_.end() ? nullptr : &found->second;
}

}  // namespace sluice
