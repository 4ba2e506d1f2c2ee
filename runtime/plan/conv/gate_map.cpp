#include "plan/conv/gate_map.h"

#include "plan/arrange.h"

namespace sluice {
namespace {

/// The map (x, y) of a gate as its branch wrote it.
Buffer map_of(const Layout& gate) {
    Buffer map = pixels(gate, 1);
    map.axes.erase(map.axes.begin());
    return map;
}

/// One value for each square of side x side outputs.
RepeatedGate squares(const Convolution& c, std::int64_t side) {
    return {c.node.inputs[1], c.conv.gate_grid / side, count_tiles(c.width(), side),
            count_tiles(c.height(), side)};
}

/// The map of one value for each square, which a step copies unless one has, or there is nothing to
/// repeat.
Result<GateMap*> repeated_map(Planner& planner, const Convolution& c, std::int64_t side,
                              std::vector<Step>& steps) {
    const RepeatedGate wanted = squares(c, side);
    GateMap& found = planner.scans.repeated(wanted);
    if (!found.values.axes.empty()) {
        return &found;
    }
    const Layout& map = planner.layout(wanted.gate);
    if (wanted.times == 1) {
        found.values = map_of(map);
        return &found;
    }
    const std::int64_t times = wanted.times, row = map.width() * times;
    Buffer whole = planner.arena.scratch(map.height() * times * row, halide_type_of<float>(), {});
    Buffer from = view(map), to = whole;
    from.axes = {{times, 0}, map.axes[2], {times, 0}, map.axes[1]};
    to.axes = {{times, 1}, {map.width(), times}, {times, row}, {map.height(), times * row}};
    SLUICE_RETURN_IF_ERROR(append(steps, copy_step(planner, c.node, from, to)));
    whole.axes = {{wanted.width, 1}, {wanted.height, row}};
    found.values = whole;
    return &found;
}

/// With the axis of channels that kernels address gates by.
Buffer with_channel(Buffer map) {
    map.axes.insert(map.axes.begin(), Axis{1, 1});
    return map;
}

}  // namespace

bool is_for_whole_map(const Planner& planner, const Convolution& c) {
    const Layout& map = planner.layout(c.node.inputs[1]);
    return c.conv.gate == GateForm::position && map.width() == 1 && map.height() == 1 &&
           c.positions() > 1;
}

Result<Buffer> gate_of_outputs(Planner& planner, const Convolution& c, std::vector<Step>& steps) {
    if (is_for_whole_map(planner, c)) {
        Buffer map = map_of(planner.layout(c.node.inputs[1]));
        map.axes = {{c.width(), 0}, {c.height(), 0}};
        return with_channel(map);
    }
    const auto map = repeated_map(planner, c, 1, steps);
    if (!map.ok()) {
        return map.status();
    }
    return with_channel(map.value()->values);
}

Result<GateLists> list_squares(Planner& planner, const Convolution& c, std::int64_t side,
                               std::vector<Step>& steps) {
    const auto map = repeated_map(planner, c, side, steps);
    if (!map.ok()) {
        return map.status();
    }
    std::optional<GateLists>& lists = map.value()->lists;
    if (!lists) {
        lists = planner.scans.scan(steps, c.node.name, map.value()->values);
    }
    return *lists;
}

}  // namespace sluice
