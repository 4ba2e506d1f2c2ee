#include "plan/conv/lower_transposed.h"

#include "plan/conv/select.h"
#include "plan/conv/transposed.h"

namespace sluice {
namespace {

/// The outputs of a phase in a map (k, x, y).
Buffer part_of(Buffer map, const OutputPhase& phase) {
    for (std::size_t axis = 0; axis < 2; ++axis) {
        Axis& along = map.axes[2 - axis];
        map.offset += phase.first[axis] * along.stride;
        along = {phase.outputs[axis], phase.distance[axis] * along.stride};
    }
    return map;
}

Convolution part_of(Planner& planner, const Node& node, const Layout& y, const OutputPhase& phase) {
    Convolution c = make_convolution(planner, node, y);
    c.is_phase = true;
    c.gate = part_of(c.gate, phase);
    c.residual = part_of(c.residual, phase);
    c.output = part_of(c.output, phase);
    c.layer.output[0] = c.height();
    c.layer.output[1] = c.width();
    c.shape += ", phase " + std::to_string(phase.first[0]) + "," + std::to_string(phase.first[1]);
    return c;
}

/// Outputs that no input reaches.
void append_constant(Planner& planner, const Convolution& c, std::vector<Step>& steps) {
    const FusedConv& conv = c.conv;
    std::vector<float> rows(std::size_t(3 * c.outputs));
    for (std::size_t k = 0; k < conv.bias.size(); ++k) {
        rows[std::size_t(2 * c.outputs) + k] =
            conv.scale[k] * conv.act.apply(conv.bias[k]) + conv.shift[k];
    }
    Packed packed;
    packed.epilogue = planner.constants.add_floats(rows, {{c.outputs, 1}, {3, c.outputs}});
    Work work;
    work.skipped = planner.constants.all_positions(c.height(), c.width());
    work.skipped_static_count = c.positions();
    append_fill(planner, c, packed, work, all_channels(c), {}, steps);
}

}  // namespace

Status lower_transposed(Planner& planner, const Node& node, Lowered& lowered) {
    const Layout& x = planner.layout(node.inputs[0]);
    const Layout& y = lowered.output;
    for (const OutputPhase& phase :
         output_phases(*node.fused_conv, {x.height(), x.width()}, {y.height(), y.width()})) {
        if (phase.taps[0] == 0 || phase.taps[1] == 0) {
            append_constant(planner, part_of(planner, node, y, phase), lowered.steps);
            continue;
        }
        Node part = node;
        part.fused_conv = phase_conv(*node.fused_conv, phase);
        const Convolution c = part_of(planner, part, y, phase);
        const auto candidates = select_for_all(planner, c);
        if (!candidates.ok()) {
            return candidates.status();
        }
        SLUICE_RETURN_IF_ERROR(emit_all(planner, c, candidates.value(), lowered.steps));
        const std::int64_t macs = c.channels() * c.macs_per_output() * c.positions();
        (c.conv.is_branch ? lowered.branch_macs : lowered.macs) += macs;
    }
    return {};
}

}  // namespace sluice
