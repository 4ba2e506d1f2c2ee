#include "plan/conv/list_way.h"
#include "plan/conv/pack_weights.h"

/// A matrix times the channels of one position: 1x1 layers over 1x1 maps, such as those of
/// squeeze-and-excitation. The direct kernel would compute a register tile of positions.
namespace sluice {
namespace {

/// What bounds the outputs where scale and shift can be in weights and bias; none where they
/// cannot.
std::optional<Clamp> clamp_beside_weights(const Convolution& c) {
    const bool is_alone = c.gate_form == GateForm::none && c.node.inputs[2] == no_value;
    return is_alone && c.conv.act.is_none() ? std::optional(c.conv.post) : only_clamp(c);
}

class LinearWay final : public ListWay {
public:
    WayId id() const override { return WayId::linear; }

    Found find(const Planner& planner, const Convolution& c) const override {
        const Shape& shape = c.conv.weights->shape;
        const bool fits = shape[2] == 1 && shape[3] == 1 && c.positions() == 1 &&
                          c.conv.is_plain() && !c.conv.is_quantised() &&
                          c.outputs % planner.lanes == 0 && clamp_beside_weights(c);
        return {fits ? planner.kernel(Algorithm::linear) : nullptr, {}};
    }

    Packed pack(Planner& planner, const Convolution& c, const Kernel& kernel,
                std::span<const Candidate>) const override {
        return {.weights = pack_scaled_taps(planner.constants, c, kernel.lanes),
                .epilogue = pack_scaled_epilogue(planner.constants, c)};
    }

    /// The kernel reads no list.
    Work all(Planner&, const Convolution& c, const Kernel&) const override {
        Work work;
        work.static_count = c.positions();
        return work;
    }

    Status emit(Planner&, const Convolution& c, const Candidate& candidate, const Work& work,
                const ChannelRange& range, const std::optional<Choice>& choice,
                std::vector<Step>& steps) const override {
        using Call = LinearCall<Buffer>;
        const std::int64_t block = candidate.kernel->block();
        const std::int64_t inputs = c.conv.weights->shape[1];
        Step step = conv_step(c, candidate, work, choice);
        step.list = {};
        Call call;
        call.input = c.input;
        call.input.axes = {{inputs, 1}};
        call.weights = blocks_of(candidate.packed.weights, range, block);
        call.weights.axes = {{block, 1}, {inputs, block}, call.weights.axes.back()};
        call.bias = from_channel(candidate.packed.epilogue, range.first, range.count);
        call.bias.axes.resize(1);
        const Clamp clamp = *clamp_beside_weights(c);
        call.low = clamp.low;
        call.high = clamp.high;
        call.output = from_channel(c.output, range.first, range.count);
        call.output.axes.resize(1);
        set_call(step, call);
        measure(step, c, work, range);
        step.split = {range.count / block,
                      {along(&Call::weights, 2, 1), along(&Call::bias, 0, block),
                       along(&Call::output, 0, block)},
                      -1};
        steps.push_back(std::move(step));
        return {};
    }
};

}  // namespace

const Way& linear_way() {
    static const LinearWay way;
    return way;
}

}  // namespace sluice
