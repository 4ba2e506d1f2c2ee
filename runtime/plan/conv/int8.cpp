#include "plan/conv/int8_steps.h"
#include "plan/conv/int8_weights.h"
#include "plan/conv/list_way.h"

/// A quantised convolution as an indirect GEMM over a list of positions: any layer, any density,
/// time in proportion. It is the only way of quantised layers that are not depthwise.
namespace sluice {
namespace {

/// Threads share out the channels of a step with large weights, else its list.
template <typename Call>
void share(const Convolution& c, const ChannelRange& range, const Kernel& kernel, Step& step) {
    const std::int64_t block = kernel.block();
    step.list.argument = index_of(&Call::positions);
    step.rows = rows_of<Call>(c, c.width());
    if (splits_weights(step, range.count / block)) {
        step.split = split_channels<Call>(c, range, block, 5);
        step.split.along.push_back(along(&Call::bias, 0, block));
        step.split.along.push_back(along(&Call::steps, 1, 1));
        // A call of tile units converts its patches once, for all channels.
        step.split.one_by_one = kernel.as<Int8Info>().depth == 0;
    }
}

template <template <typename> class CallOf>
void fill_call(Step& step, const Convolution& c, const Candidate& candidate, const Work& work,
               const ChannelRange& range, const Int8Numbers& n) {
    using Call = CallOf<Buffer>;
    const std::int64_t block = candidate.kernel->block();
    auto call = window_call<Call>(c, candidate.packed, range);
    call.positions = work.list;
    call.weights = blocks_of(candidate.packed.weights, range, block);
    call.steps = blocks_of(candidate.packed.steps, range, block);
    set_int8_end(call, candidate.packed, range, n);
    set_call(step, call);
    share<Call>(c, range, *candidate.kernel, step);
}

class Int8 final : public ListWay {
public:
    WayId id() const override { return WayId::int8; }

    Found find(const Planner& planner, const Convolution& c) const override {
        const Algorithm form = form_of(planner, c, Algorithm::int8_conv,
                                       Algorithm::int8_staged_conv, Algorithm::int8_float_conv);
        return {find_conv(planner, form, c.gate_form, c.layer), {}};
    }

    Packed pack(Planner& planner, const Convolution& c, const Kernel& kernel,
                std::span<const Candidate>) const override {
        return pack_int8(planner.constants, c, quantizations(planner.graph, c.node), kernel);
    }

    Status emit(Planner& planner, const Convolution& c, const Candidate& candidate,
                const Work& work, const ChannelRange& range, const std::optional<Choice>& choice,
                std::vector<Step>& steps) const override {
        const Int8Numbers numbers = int8_numbers(c.conv, quantizations(planner.graph, c.node));
        append_int8_fill(planner, c, candidate.packed, work, range, choice, numbers, steps);
        Step step = conv_step(c, candidate, work, choice);
        measure(step, c, work, range);
        switch (candidate.kernel->algorithm) {
            case Algorithm::int8_float_conv:
                fill_call<Int8FloatConvCall>(step, c, candidate, work, range, numbers);
                break;
            case Algorithm::int8_staged_conv:
                fill_call<Int8StagedConvCall>(step, c, candidate, work, range, numbers);
                break;
            default:
                fill_call<Int8ConvCall>(step, c, candidate, work, range, numbers);
        }
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
