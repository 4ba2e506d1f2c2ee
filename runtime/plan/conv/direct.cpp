#include <algorithm>

#include "plan/conv/list_way.h"
#include "plan/conv/pack_weights.h"

/// An indirect GEMM over a list of positions: any layer, any density, time in proportion.
namespace sluice {
namespace {

class Direct final : public ListWay {
public:
    WayId id() const override { return WayId::direct; }

    Found find(const Planner& planner, const Convolution& c) const override {
        return {find_conv(planner, Algorithm::gated_conv, c.gate_form, c.layer), {}};
    }

    Packed pack(Planner& planner, const Convolution& c, const Kernel& kernel,
                std::span<const Candidate> others) const override {
        for (const Candidate& other : others) {
            if (!other.packed.taps.axes.empty()) {
                return {
                    .weights = other.packed.taps, .epilogue = other.packed.epilogue, .taps = {}};
            }
        }
        return {.weights = pack_taps(planner.constants, c, kernel.block()),
                .epilogue = pack_epilogue(planner.constants, c),
                .taps = {}};
    }

    Status emit(Planner& planner, const Convolution& c, const Candidate& candidate,
                const Work& work, const ChannelRange& range, const std::optional<Choice>& choice,
                std::vector<Step>& steps) const override {
        append_fill(planner, c, candidate.packed, work, range, choice, steps);
        const std::int64_t block = candidate.kernel->block();
        using Call = GatedConvCall<Buffer>;
        Step step = conv_step(c, candidate, work, choice);
        auto call = window_call<Call>(c, candidate.packed, range);
        call.positions = work.list;
        call.weights = blocks_of(candidate.packed.weights, range, block);
        set_call(step, call);
        measure(step, c, work, range);
        step.list.argument = index_of(&Call::positions);
        step.list.tile = candidate.kernel->as<DirectInfo>().pixels;
        if (splits_weights(step, range.count / block)) {
            step.split = split_channels<Call>(c, range, block);
        }
        steps.push_back(std::move(step));
        return {};
    }
};

}  // namespace

const Way& direct_way() {
    static const Direct way;
    return way;
}

}  // namespace sluice
