#include <algorithm>

#include "plan/conv/list_way.h"
#include "plan/conv/pack_weights.h"

/// An indirect GEMM over a list of positions: any layer, any density, time in proportion.
namespace sluice {
namespace {

std::int64_t packed_bytes_of(const Buffer& weights) {
    std::int64_t bytes = std::int64_t(weights.type.bytes());
    for (const Axis& axis : weights.axes) {
        bytes *= axis.extent;
    }
    return bytes;
}

class Direct final : public ListWay {
public:
    WayId id() const override { return WayId::direct; }

    Found find(const Planner& planner, const Convolution& c) const override {
        const Kernel* kernel = find_conv(planner, Algorithm::gated_conv, c.gate_form, c.layer);
        if (kernel == nullptr || c.conv.groups == 1) {
            return {kernel, {}};
        }
        const std::int64_t each = c.conv.weights->shape[1];
        const std::int64_t read = block_inputs(c, kernel->block()).channels;
        return {kernel, read == each ? ""
                                     : "multiplies " + std::to_string(read) +
                                           " channels for groups of " + std::to_string(each)};
    }

    Packed pack(Planner& planner, const Convolution& c, const Kernel& kernel,
                std::span<const Candidate> others) const override {
        const Buffer starts = pack_starts(planner.constants, c, kernel.block());
        for (const Candidate& other : others) {
            if (!other.packed.taps.axes.empty()) {
                return {.weights = other.packed.taps,
                        .starts = starts,
                        .epilogue = other.packed.epilogue};
            }
        }
        return {.weights = pack_taps(planner.constants, c, kernel),
                .starts = starts,
                .epilogue = pack_epilogue(planner.constants, c)};
    }

    bool takes_activation() const override { return true; }

    Status emit(Planner& planner, const Convolution& c, const Candidate& candidate,
                const Work& work, const ChannelRange& range, const std::optional<Choice>& choice,
                std::vector<Step>& steps) const override {
        append_fill(planner, c, candidate.packed, work, range, choice, steps);
        const std::int64_t block = candidate.kernel->block(), lanes = candidate.kernel->lanes;
        using Call = GatedConvCall<Buffer>;
        Step step = conv_step(c, candidate, work, choice);
        auto call = window_call<Call>(c, candidate.packed, range);
        call.positions = work.list;
        call.weights = blocks_of(candidate.packed.weights, range, lanes);
        call.starts = blocks_of(candidate.packed.starts, range, block);
        call.run_stride = std::int32_t(c.conv.dilation[1] * c.channel_stride);
        call.row_step = std::int32_t(c.conv.dilation[0]);
        set_end(call, c);
        set_call(step, call);
        measure(step, c, work, range);
        step.packed_bytes = packed_bytes_of(call.weights);
        step.list.argument = index_of(&Call::positions);
        step.list.tile = candidate.kernel->as<DirectInfo>().pixels;
        step.rows = rows_of<Call>(c, c.width());
        if (splits_weights(step, range.count / block)) {
            step.split = split_channels<Call>(c, range, block, 5, block / lanes);
            step.split.along.push_back(along(&Call::starts, 0, 1));
            step.split.one_by_one = true;
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
