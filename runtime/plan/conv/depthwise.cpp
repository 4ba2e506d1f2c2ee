#include "plan/conv/list_way.h"
#include "plan/conv/own_channels.h"
#include "plan/conv/pack_weights.h"

/// Each channel by itself, with vectors along the channels: over the whole map, or over a list of
/// the positions that a gate leaves active.
namespace sluice {
namespace {

DepthwiseConvCall<Buffer> depthwise_call(const Convolution& c, const Buffer& input,
                                         const Candidate& candidate, const Work& work,
                                         const ChannelRange& range) {
    auto call = window_call<DepthwiseConvCall<Buffer>>(c, candidate.packed, range);
    call.input = from_channel(input, range.first, range.count);
    call.positions = work.list;
    call.weights = blocks_of(candidate.packed.weights, range, candidate.kernel->block());
    return call;
}

class Depthwise final : public ListWay {
public:
    WayId id() const override { return WayId::depthwise; }

    Found find(const Planner& planner, const Convolution& c) const override {
        return {find_conv(planner, Algorithm::depthwise_conv, c.gate_form,
                          layer_of_own_channels(planner, c)),
                {}};
    }

    Packed pack(Planner& planner, const Convolution& c, const Kernel& kernel,
                std::span<const Candidate>) const override {
        return {.weights = pack_channels(planner.constants, c, kernel.block()),
                .epilogue = pack_epilogue(planner.constants, c)};
    }

    /// The kernel without a gate reads no list.
    Work all(Planner& planner, const Convolution& c, const Kernel& kernel) const override {
        if (kernel.gate != GateForm::none) {
            return ListWay::all(planner, c, kernel);
        }
        Work work;
        work.list = planner.constants.all_positions(1, 1);
        work.static_count = c.positions();
        return work;
    }

    bool takes_activation() const override { return true; }

    /// The last tile computes the last position again where it overhangs the list.
    bool computes_once(const Convolution&, const Kernel&) const override { return false; }

    Status emit(Planner& planner, const Convolution& c, const Candidate& candidate,
                const Work& work, const ChannelRange& range, const std::optional<Choice>& choice,
                std::vector<Step>& steps) const override {
        using Call = DepthwiseConvCall<Buffer>;
        append_fill(planner, c, candidate.packed, work, range, choice, steps);
        const auto input = own_channels(planner, c, steps);
        if (!input.ok()) {
            return input.status();
        }
        Step step = conv_step(c, candidate, work, choice);
        auto call = depthwise_call(c, input.value(), candidate, work, range);
        set_end(call, c);
        set_call(step, call);
        measure(step, c, work, range);
        step.packed_bytes /= c.channel_stride;
        if (candidate.kernel->gate == GateForm::none) {
            step.list = {};
            step.split = {c.height(),
                          {along(&Call::input, 2, c.conv.stride[0]), along(&Call::residual, 2, 1),
                           along(&Call::output, 2, 1)},
                          -1};
            step.rows = rows_of<Call>(c, 1);
        } else {
            step.list.argument = index_of(&Call::positions);
            step.list.tile = candidate.kernel->as<DepthwiseInfo>().pixels;
        }
        steps.push_back(std::move(step));
        return {};
    }
};

}  // namespace

const Way& depthwise_way() {
    static const Depthwise way;
    return way;
}

}  // namespace sluice
