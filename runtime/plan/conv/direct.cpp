#include <algorithm>

#include "plan/conv/pack_weights.h"
#include "plan/conv/way.h"

/// An indirect GEMM over a list of positions: any layer, any density, time in proportion.
namespace sluice {
namespace {

class Direct final : public Way {
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

    Work all(Planner& planner, const Convolution& c, const Kernel&) const override {
        Work work;
        work.list = planner.constants.all_positions(c.height(), c.width());
        work.static_count = c.positions();
        return work;
    }

    Work active(Planner&, const Convolution&, const Kernel&, const GateLists& lists,
                std::span<const Cost>, std::vector<Step>&) const override {
        Work work;
        work.list = lists.active;
        work.count = lists.active_count;
        work.skipped = lists.skipped;
        work.skipped_count = lists.skipped_count;
        return work;
    }

    double cost_of_all(const Convolution& c, const Kernel&) const override {
        return double(c.positions());
    }

    Cost cost(const Convolution&, const Kernel&, const Work& work) const override {
        return {0, 1, work.count};
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
        const Shape& shape = c.conv.weights->shape;
        step.packed_bytes = range.count * shape[2] * shape[3] * c.channel_stride * 4;
        step.work = 2 * range.count * c.macs_per_output() * c.positions();
        step.list.argument = index_of(&Call::positions);
        step.list.tile = candidate.kernel->as<DirectInfo>().pixels;
        if (splits_weights(step, range.count / block)) {
            step.split = split_channels<Call>(c, range, block);
        }
        const std::int64_t macs_per_position = range.channels * c.macs_per_output();
        if (work.static_count < 0) {
            step.macs_per_entry = macs_per_position;
        } else {
            step.macs = macs_per_position * c.positions();
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
