#include "plan/conv/int8_numbers.h"
#include "plan/conv/int8_weights.h"
#include "plan/conv/list_way.h"

/// A quantised convolution as an indirect GEMM over a list of positions: any layer, any density,
/// time in proportion. It is the only way of quantised layers.
namespace sluice {
namespace {

Algorithm algorithm_of(const Planner& planner, const Convolution& c) {
    if (planner.graph.values[std::size_t(c.node.outputs[0])].is_float()) {
        return Algorithm::int8_float_conv;
    }
    return c.conv.after_act || c.conv.after_gate ? Algorithm::int8_staged_conv
                                                 : Algorithm::int8_conv;
}

/// What the calls of all forms have in common.
template <typename Call>
Call conv_call(const Convolution& c, const Candidate& candidate, const Work& work,
               const ChannelRange& range, const Int8Numbers& n) {
    const Packed& packed = candidate.packed;
    auto call = window_call<Call>(c, packed, range);
    call.positions = work.list;
    call.weights = blocks_of(packed.weights, range, candidate.kernel->block());
    call.steps = blocks_of(packed.steps, range, candidate.kernel->block());
    call.bias = from_channel(packed.bias, range.first, range.count);
    call.act_low = n.act_low;
    call.act_high = n.act_high;
    call.residual_zero = n.residual_zero;
    call.residual_scale = n.residual_scale;
    call.low = n.low;
    call.high = n.high;
    return call;
}

template <typename Call>
void set_stages(Call& call, const Int8Numbers& n) {
    call.stages = n.stages;
    call.low1 = n.after_act.low;
    call.high1 = n.after_act.high;
    call.factor1 = n.after_act.factor;
    call.low2 = n.after_gate.low;
    call.high2 = n.after_gate.high;
    call.factor2 = n.after_gate.factor;
}

/// Threads share out the channels of a step with large weights, else its list.
template <typename Call>
void share(const Convolution& c, const ChannelRange& range, std::int64_t block, Step& step) {
    step.list.argument = index_of(&Call::positions);
    if (splits_weights(step, range.count / block)) {
        step.split = split_channels<Call>(c, range, block, 4);
        step.split.along.push_back(along(&Call::bias, 0, block));
        step.split.along.push_back(along(&Call::steps, 1, 1));
    }
}

void fill_call(Step& step, const Convolution& c, const Candidate& candidate, const Work& work,
               const ChannelRange& range, const Int8Numbers& n) {
    const std::int64_t block = candidate.kernel->block();
    if (candidate.kernel->algorithm == Algorithm::int8_float_conv) {
        using Call = Int8FloatConvCall<Buffer>;
        auto call = conv_call<Call>(c, candidate, work, range, n);
        call.rounds = std::int32_t(n.rounds);
        call.scale = n.scale;
        set_stages(call, n);
        set_call(step, call);
        share<Call>(c, range, block, step);
    } else if (candidate.kernel->algorithm == Algorithm::int8_staged_conv) {
        using Call = Int8StagedConvCall<Buffer>;
        auto call = conv_call<Call>(c, candidate, work, range, n);
        call.zero = n.zero;
        set_stages(call, n);
        set_call(step, call);
        share<Call>(c, range, block, step);
    } else {
        using Call = Int8ConvCall<Buffer>;
        auto call = conv_call<Call>(c, candidate, work, range, n);
        call.zero = n.zero;
        set_call(step, call);
        share<Call>(c, range, block, step);
    }
}

/// Writes what the gate leaves to the skipped outputs.
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

class Int8 final : public ListWay {
public:
    WayId id() const override { return WayId::int8; }

    Found find(const Planner& planner, const Convolution& c) const override {
        return {find_conv(planner, algorithm_of(planner, c), c.gate_form, c.layer), {}};
    }

    Packed pack(Planner& planner, const Convolution& c, const Kernel& kernel,
                std::span<const Candidate>) const override {
        return pack_int8(planner.constants, c, quantizations(planner.graph, c.node), kernel);
    }

    Status emit(Planner& planner, const Convolution& c, const Candidate& candidate,
                const Work& work, const ChannelRange& range, const std::optional<Choice>& choice,
                std::vector<Step>& steps) const override {
        const Int8Numbers numbers = int8_numbers(c.conv, quantizations(planner.graph, c.node));
        if (work.skipped) {
            steps.push_back(fill_step(planner, c, candidate.packed, work, range, choice, numbers));
        }
        Step step = conv_step(c, candidate, work, choice);
        measure(step, c, work, range);
        fill_call(step, c, candidate, work, range, numbers);
        step.list.tile = candidate.kernel->as<Int8Info>().pixels;
        steps.push_back(std::move(step));
        return {};
    }
};

}  // namespace

const Way& int8_way() {
    static const Int8 way;
    return way;
}

}  // namespace sluice
