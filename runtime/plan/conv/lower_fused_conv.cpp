#include <algorithm>
#include <bit>

#include "plan/arrange.h"
#include "plan/conv/gate_map.h"
#include "plan/conv/in_place.h"
#include "plan/conv/lower_branch.h"
#include "plan/conv/lower_transposed.h"
#include "plan/conv/select.h"
#include "plan/conv/skipped_outputs.h"
#include "plan/lower.h"

/// A fused convolution by the form of its gate. What computes it is select.cpp's to say.
namespace sluice {
namespace {

using Steps = std::vector<Step>;

/// Of squares that are larger along a side whole Winograd tiles are left, and no pairs worth
/// counting.
constexpr std::int64_t finest_squares = 3;

PlannedGate make_gate(const Planner& planner, const Node& node, std::int64_t macs) {
    const Layout& map = planner.layout(node.inputs[1]);
    const Shape& output = planner.graph.values[std::size_t(node.outputs[0])].shape;
    PlannedGate gate{{node.name, map.channels(), map.height(), map.width(),
                      node.fused_conv->gate_grid, macs, true, output[2], output[3]},
                     {}};
    gate.source.values = pixels(map, map.channels());
    gate.source.values.axes = {map.axes[2], map.axes[1], {map.channels(), 1}};
    return gate;
}

/// What the gate of a layer without residual leaves of its outputs.
std::vector<float> skipped_outputs(const FusedConv& conv) {
    std::vector<float> skipped(conv.shift.size());
    std::transform(conv.shift.begin(), conv.shift.end(), skipped.begin(),
                   [&](float shift) { return conv.post.apply(shift); });
    return skipped;
}

/// One value per position for each of the groups of output channels; `candidates` are for a group.
Status lower_groups(Planner& planner, Convolution c, const Candidates& candidates,
                    PlannedGate& gate, Steps& steps) {
    const ValueId id = c.node.inputs[1];
    const Layout& map = planner.layout(id);
    const std::int64_t each = c.channels() / map.channels();
    for (std::int64_t g = 0; g < map.channels(); ++g) {
        const GateLists lists = planner.scans.lists(steps, c.node.name, id, map, g);
        c.gate = from_channel(pixels(map, 1), g, 1);
        const auto count =
            emit_active(planner, c, candidates, lists, {g * each, each, each}, steps);
        if (!count.ok()) {
            return count.status();
        }
        gate.source.counts.push_back(count.value());
    }
    return {};
}

/// One value per position, or per square of positions that no kernel computes at once.
Status lower_positions(Planner& planner, Convolution c, const Candidates& candidates,
                       PlannedGate& gate, Steps& steps) {
    const auto map = gate_of_outputs(planner, c, steps);
    const auto lists = list_squares(planner, c, 1, steps);
    if (!map.ok() || !lists.ok()) {
        return map.ok() ? lists.status() : map.status();
    }
    c.gate = map.value();
    const auto count = emit_active(planner, c, candidates, lists.value(), all_channels(c), steps);
    if (!count.ok()) {
        return count.status();
    }
    if (c.conv.gate_grid == 1) {
        gate.source.counts.push_back(count.value());
    }
    const bool is_fine = c.conv.gate_grid <= finest_squares;
    if (is_fine && c.node.inputs[2] == no_value && !c.conv.is_quantised()) {
        planner.scans.set_gated(c.node.outputs[0], {lists.value(), skipped_outputs(c.conv)});
    }
    return {};
}

/// One value for every tile of outputs that Winograd's kernel computes, or for several.
Status lower_tiles(Planner& planner, Convolution c, const Candidates& candidates, PlannedGate& gate,
                   Steps& steps) {
    const std::int64_t side = candidates.ways[0].kernel->as<WinogradInfo>().side;
    const auto lists = list_squares(planner, c, side, steps);
    if (!lists.ok()) {
        return lists.status();
    }
    c.gate = pixels(planner.layout(c.node.inputs[1]), 1);
    c.gate_shift = std::int32_t(std::countr_zero(std::uint64_t(c.conv.gate_grid)));
    const auto count = emit_active(planner, c, candidates, lists.value(), all_channels(c), steps);
    if (!count.ok()) {
        return count.status();
    }
    if (c.conv.gate_grid == side) {
        gate.source.counts.push_back(count.value());
    }
    return {};
}

/// One value for the whole map: a run computes all of the layer, or nothing.
Status lower_whole_map(Planner& planner, Convolution c, PlannedGate& gate, Steps& steps) {
    const auto map = gate_of_outputs(planner, c, steps);
    const auto lists = list_squares(planner, c, c.conv.gate_grid, steps);
    if (!map.ok() || !lists.ok()) {
        return map.ok() ? lists.status() : map.status();
    }
    c.gate = map.value();
    gate.source.counts.push_back(lists->active_count);
    const auto candidates = select_for_all(planner, c);
    return candidates.ok()
               ? emit_all_or_nothing(planner, c, candidates.value(), lists->active_count, steps)
               : candidates.status();
}

/// One map for each group of channels becomes one for each channel.
Result<Buffer> append_wide_gate(Planner& planner, const Convolution& c, Steps& steps) {
    const Layout& maps = planner.layout(c.node.inputs[1]);
    const std::int64_t groups = maps.channels(), width = maps.width(), height = maps.height();
    const Buffer wide = planner.layouts.scratch_image(c.channels(), width, height);
    const std::int64_t stride = wide.axes[1].stride, each = c.channels() / groups;
    Buffer from = view(maps), to = wide;
    from.axes = {{each, 0}, {groups, 1}, maps.axes[2], maps.axes[1]};
    to.axes = {{each, 1}, {groups, each}, {width, stride}, {height, width * stride}};
    SLUICE_RETURN_IF_ERROR(append(steps, copy_step(planner, c.node, from, to)));
    return wide;
}

/// One value per element, or one per group of channels that no kernel's tile divides.
Status lower_elements(Planner& planner, Convolution c, PlannedGate& gate, Steps& steps) {
    if (c.conv.gate == GateForm::group) {
        const auto wide = append_wide_gate(planner, c, steps);
        if (!wide.ok()) {
            return wide.status();
        }
        c.gate = wide.value();
    } else {
        c.gate = pixels(planner.layout(c.node.inputs[1]), c.outputs);
    }
    c.gate_form = GateForm::element;
    const auto candidates = select_for_elements(planner, c);
    if (!candidates.ok()) {
        return candidates.status();
    }
    gate.info.skips = candidates->ways[0].way->id() == WayId::per_element;
    if (!gate.info.skips) {
        return emit_all(planner, c, candidates.value(), steps);
    }
    const auto count = emit_active(planner, c, candidates.value(), {}, all_channels(c), steps);
    if (count.ok() && c.conv.gate == GateForm::element) {  // of a group each channel is counted
        gate.source.counts.push_back(count.value());
    }
    return count.status();
}

/// One value per position, multiplied where nothing is skipped.
Status lower_unskipped(Planner& planner, Convolution c, PlannedGate& gate, Steps& steps) {
    gate.info.skips = false;
    const auto map = gate_of_outputs(planner, c, steps);
    if (!map.ok()) {
        return map.status();
    }
    c.gate = map.value();
    c.gate_form = GateForm::position;
    auto candidates = select_for_all(planner, c);
    if (!candidates.ok()) {
        return candidates.status();
    }
    candidates->ways[0].remark =
        c.conv.groups > 1 ? "skips nothing: it is depthwise" : "skips nothing: its output is float";
    return emit_all(planner, c, candidates.value(), steps);
}

Status lower_gated(Planner& planner, Convolution c, PlannedGate& gate, Steps& steps) {
    if (c.conv.gate == GateForm::element) {
        return lower_elements(planner, c, gate, steps);
    }
    if (computes_all(planner, c.node)) {
        return c.conv.gate == GateForm::group ? lower_elements(planner, c, gate, steps)
                                              : lower_unskipped(planner, c, gate, steps);
    }
    c.gate_form = GateForm::position;
    if (is_for_whole_map(planner, c)) {
        return lower_whole_map(planner, c, gate, steps);
    }
    if (c.conv.gate_grid > 1) {
        const Candidates candidates = select_for_tiles(planner, c);
        if (!candidates.ways.empty()) {
            return lower_tiles(planner, c, candidates, gate, steps);
        }
    }
    const bool has_groups = c.conv.gate == GateForm::group;
    Convolution call = c;
    if (has_groups) {
        call.layer.outputs = c.channels() / planner.layout(c.node.inputs[1]).channels();
    }
    const Candidates candidates = select_for_positions(planner, call);
    if (candidates.ways.empty()) {
        return has_groups ? lower_elements(planner, c, gate, steps) : no_kernel(planner, c);
    }
    return has_groups ? lower_groups(planner, c, candidates, gate, steps)
                      : lower_positions(planner, c, candidates, gate, steps);
}

Status lower_ordinary(Planner& planner, const Convolution& c, Lowered& lowered) {
    const std::int64_t macs = c.channels() * c.macs_per_output() * c.positions();
    (c.conv.is_branch ? lowered.branch_macs : lowered.macs) = macs;
    if (c.conv.gate == GateForm::none) {
        const auto candidates = select_for_all(planner, c);
        if (!candidates.ok()) {
            return candidates.status();
        }
        SLUICE_RETURN_IF_ERROR(emit_all(planner, c, candidates.value(), lowered.steps));
        if (c.conv.activation && !candidates->ways[0].way->takes_activation()) {
            lowered.steps.push_back(activation_in_place(planner, c.node, lowered.output));
        }
        return {};
    }
    PlannedGate gate = make_gate(planner, c.node, macs);
    SLUICE_RETURN_IF_ERROR(lower_gated(planner, c, gate, lowered.steps));
    gate.source.step = lowered.steps.size() - 1;
    lowered.gates.push_back(std::move(gate));
    return {};
}

/// Lanes beside the channels have weights of zero, whose products with an infinity are NaN: readers
/// would multiply that by zeros of their own, and add it to what they compute of real channels.
Status clear_lanes(Planner& planner, const Node& node, const Layout& y, Steps& steps) {
    const ValueId id = node.outputs[0];
    const std::int64_t lanes = y.channel_stride() - y.channels();
    if (lanes == 0 || planner.readers.only_copied(id) || planner.readers.only_gates(id)) {
        return {};
    }
    Buffer to = view(y), zero = planner.constants.add_floats(std::vector{0.0F}, {});
    to.offset += y.channels();
    to.axes[0].extent = lanes;
    zero.axes = {{lanes, 0}, {y.height(), 0}, {y.width(), 0}};
    auto step = copy_step(planner, node, zero, to);
    if (step.ok() && step->split.count % y.height() == 0) {
        step->rows = Rows{y.height(), step->split.count / y.height(), {}};
    }
    return append(steps, std::move(step));
}

/// The convolution with memory for its output, whose layout goes to `output`.
Convolution place_output(Planner& planner, const Node& node, Layout& output) {
    const auto place = place_in_residual(planner, node);
    output = place ? *place : planner.layouts.allocate(node, true);
    Convolution c = make_convolution(planner, node, output);
    c.in_place = place && computes_once(planner, c);
    if (place && !c.in_place) {
        output = planner.layouts.allocate(node, true);
        c.output = pixels(output, c.outputs);
    }
    return c;
}

}  // namespace

Result<Lowered> lower_fused_conv(Planner& planner, const Node& node) {
    SLUICE_RETURN_IF_ERROR(check_conv(planner, node));
    if (is_branch_form(planner, node)) {
        return lower_branch(planner, node);
    }
    const FusedConv& conv = *node.fused_conv;
    Lowered lowered;
    if (conv.is_transposed()) {
        lowered.output = planner.layouts.allocate(node, true);
        SLUICE_RETURN_IF_ERROR(lower_transposed(planner, node, lowered));
    } else {
        const Convolution c = place_output(planner, node, lowered.output);
        SLUICE_RETURN_IF_ERROR(lower_ordinary(planner, c, lowered));
    }
    if (!node.remark.empty()) {
        std::string& remark = lowered.steps.back().remark;
        remark += (remark.empty() ? "" : "; ") + node.remark;
    }
    if (!conv.is_quantised()) {
        SLUICE_RETURN_IF_ERROR(clear_lanes(planner, node, lowered.output, lowered.steps));
    }
    return lowered;
}

}  // namespace sluice
