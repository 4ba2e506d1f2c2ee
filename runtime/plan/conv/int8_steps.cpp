#include "plan/conv/int8_steps.h"

namespace sluice {

Algorithm form_of(const Planner& planner, const Convolution& c, Algorithm bytes, Algorithm staged,
                  Algorithm floats) {
    if (planner.graph.values[std::size_t(c.node.outputs[0])].is_float()) {
        return floats;
    }
    return c.conv.after_act || c.conv.after_gate ? staged : bytes;
}

namespace {

/// Writes what the gate leaves to listed outputs.
Step fill_step(const Planner& planner, const Convolution& c, const Packed& packed, const Work& work,
               const ChannelRange& range, const std::optional<Choice>& choice,
               const Int8Numbers& n) {
    using Call = Int8FillCall<Buffer>;
    Step step;
    step.kernel = planner.kernel(Algorithm::int8_fill);
    step.node = c.node.name;
    step.shape = c.shape;
    step.choice = work.fills_where ? work.fills_where : choice;
    set_call(step, Call{.positions = *work.skipped,
                        .epilogue = from_channel(packed.epilogue, range.first, range.count),
                        .residual = from_channel(c.residual, range.first, range.count),
                        .side = std::int32_t(work.skipped_side),
                        .residual_zero = n.residual_zero,
                        .residual_scale = n.residual_scale,
                        .low = n.low,
                        .high = n.high,
                        .zero = n.zero,
                        .output = from_channel(c.output, range.first, range.count)});
    step.work = range.count * c.positions();
    step.list.argument = index_of(&Call::positions);
    step.list.static_count = work.skipped_static_count;
    step.list.count = work.skipped_count;
    return step;
}

}  // namespace

void append_int8_fill(const Planner& planner, const Convolution& c, const Packed& packed,
                      const Work& work, const ChannelRange& range,
                      const std::optional<Choice>& choice, const Int8Numbers& n,
                      std::vector<Step>& steps) {
    if (work.skipped) {
        steps.push_back(fill_step(planner, c, packed, work, range, choice, n));
    }
}

}  // namespace sluice
