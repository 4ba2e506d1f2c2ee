#include "plan/conv/way.h"

#include "graph/clamps.h"

namespace sluice {

Status no_kernel(const Planner& planner, const Convolution& c) {
    return planner.unsupported(c.node, "has no kernel for " + std::string(planner.target.id),
                               "choose another target");
}

std::optional<Clamp> only_clamp(const Convolution& c) {
    const FusedConv& conv = c.conv;
    const bool is_plain = c.gate_form == GateForm::none && c.node.inputs[2] == no_value &&
                          all_equal(conv.scale, 1) && all_equal(conv.shift, 0);
    return is_plain ? std::optional(compose(conv.act, conv.post)) : std::nullopt;
}

Buffer blocks_of(Buffer packed, const ChannelRange& range, std::int64_t block) {
    Axis& axis = packed.axes.back();
    packed.offset += range.first / block * axis.stride;
    axis.extent = range.count / block;
    return packed;
}

Step conv_step(const Convolution& c, const Candidate& candidate, const Work& work,
               const std::optional<Choice>& choice) {
    Step step;
    step.kernel = candidate.kernel;
    step.node = c.node.name;
    step.shape = c.shape;
    step.remark = candidate.remark;
    if (c.in_place) {
        step.remark += step.remark.empty() ? "" : "; ";
        step.remark += "in place of its residual, which skipped outputs keep";
    }
    step.choice = choice;
    step.list.static_count = work.static_count;
    step.list.count = work.count;
    step.list.outputs = work.outputs;
    return step;
}

void append_fill(const Planner& planner, const Convolution& c, const Packed& packed,
                 const Work& work, const ChannelRange& range, const std::optional<Choice>& choice,
                 std::vector<Step>& steps) {
    if (!work.skipped) {
        return;
    }
    using Call = FillCall<Buffer>;
    Step step;
    step.kernel = planner.kernel(Algorithm::fill);
    step.node = c.node.name;
    step.shape = c.shape;
    step.choice = work.fills_where ? work.fills_where : choice;
    set_call(step, Call{.positions = *work.skipped,
                        .epilogue = from_channel(packed.epilogue, range.first, range.count),
                        .residual = from_channel(c.residual, range.first, range.count),
                        .side = std::int32_t(work.skipped_side),
                        .post_low = c.conv.post.low,
                        .post_high = c.conv.post.high,
                        .output = from_channel(c.output, range.first, range.count)});
    step.work = range.count * c.positions();
    step.list.argument = index_of(&Call::positions);
    step.list.static_count = work.skipped_static_count;
    step.list.count = work.skipped_count;
    steps.push_back(std::move(step));
}

}  // namespace sluice
