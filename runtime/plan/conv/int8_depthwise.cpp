#include <algorithm>

#include "kernels/row_groups.h"
#include "plan/conv/int8_steps.h"
#include "plan/conv/int8_weights.h"
#include "plan/conv/list_way.h"
#include "plan/conv/own_channels.h"

/// A quantised convolution of each channel by itself, with vectors along the channels, over the
/// whole map.
namespace sluice {
namespace {

/// Rows of the input that a call's weights are packed for.
struct RowGroups {
    std::int64_t dot, groups, windows;
};

RowGroups row_groups_of(const Convolution& c, const Int8DepthwiseInfo& info) {
    const bool shares = info.kernel > 0;
    return {info.dot, row_groups(int(c.conv.weights->shape[2]), info.dot),
            shares ? shared_windows(info.kernel, info.dot, info.stride) : 1};
}

/// (k % block * dot + row % dot, kx, row / dot, window, k / block), zeros where there are none.
Buffer pack_row_groups(Constants& constants, const Convolution& c, const Kernel& kernel) {
    const auto [dot, groups, windows] = row_groups_of(c, kernel.as<Int8DepthwiseInfo>());
    const Constant& weights = *c.conv.weights;
    const std::int64_t rows = weights.shape[2], columns = weights.shape[3];
    const std::int64_t block = kernel.block(), width = block * dot;
    const std::int64_t each = windows * groups * columns * width;
    const auto write = [&](std::int8_t* to, std::int64_t number) {
        to += number * each;
        std::fill_n(to, each, std::int8_t{0});
        const std::int64_t taps = rows * columns, first = number * block * taps;
        const std::int64_t end = std::min(first + block * taps, weights.shape[0] * taps);
        for (std::int64_t i = first; i < end; ++i) {
            const std::int64_t k = i / taps % block, kx = i % columns, ky = i / columns % rows;
            for (std::int64_t window = 0; window < windows; ++window) {
                const std::int64_t row = ky + window * c.conv.stride[0];
                const std::int64_t tap = (window * groups + row / dot) * columns + kx;
                to[tap * width + k * dot + row % dot] = weights.int8s()[std::size_t(i)];
            }
        }
    };
    return constants.add_packed_as<std::int8_t>(c.outputs / block * each,
                                                {{width, 1},
                                                 {columns, width},
                                                 {groups, columns * width},
                                                 {windows, groups * columns * width},
                                                 {c.outputs / block, each}},
                                                c.outputs / block, write);
}

template <template <typename> class CallOf>
void fill_depthwise_call(Step& step, const Convolution& c, const Buffer& input,
                         const Candidate& candidate, const ChannelRange& range,
                         const Int8Numbers& n) {
    using Call = CallOf<Buffer>;
    const FusedConv& conv = c.conv;
    const Kernel& kernel = *candidate.kernel;
    auto call = window_call<Call>(c, candidate.packed, range);
    call.input = from_channel(input, range.first, range.count);
    call.weights = blocks_of(candidate.packed.weights, range, kernel.block());
    call.window_rows = std::int32_t(conv.weights->shape[2]);
    set_int8_end(call, candidate.packed, range, n);
    set_call(step, call);
    step.list = {};
    step.split = {c.height(),
                  {along(&Call::input, 2, conv.stride[0]), along(&Call::residual, 2, 1),
                   along(&Call::output, 2, 1)},
                  -1};
    step.rows = rows_of<Call>(c, 1);
    if (kernel.gate != GateForm::none) {
        step.split.along.push_back(along(&Call::gate, 2, 1));
    }
}

class Int8Depthwise final : public ListWay {
public:
    WayId id() const override { return WayId::int8_depthwise; }

    Found find(const Planner& planner, const Convolution& c) const override {
        const Algorithm form =
            form_of(planner, c, Algorithm::int8_depthwise, Algorithm::int8_staged_depthwise,
                    Algorithm::int8_float_depthwise);
        return {find_conv(planner, form, c.gate_form, layer_of_own_channels(planner, c)), {}};
    }

    Packed pack(Planner& planner, const Convolution& c, const Kernel& kernel,
                std::span<const Candidate>) const override {
        Packed packed = pack_int8_end(planner.constants, c, quantizations(planner.graph, c.node),
                                      kernel.as<Int8DepthwiseInfo>().offset);
        packed.weights = pack_row_groups(planner.constants, c, kernel);
        return packed;
    }

    /// The kernels read no list.
    Work all(Planner&, const Convolution& c, const Kernel&) const override {
        Work work;
        work.static_count = c.positions();
        return work;
    }

    /// What a gate leaves is written too.
    bool computes_once(const Convolution&, const Kernel&) const override { return false; }

    Status emit(Planner& planner, const Convolution& c, const Candidate& candidate,
                const Work& work, const ChannelRange& range, const std::optional<Choice>& choice,
                std::vector<Step>& steps) const override {
        const Int8Numbers numbers = int8_numbers(c.conv, quantizations(planner.graph, c.node));
        const auto input = own_channels(planner, c, steps);
        if (!input.ok()) {
            return input.status();
        }
        Step step = conv_step(c, candidate, work, choice);
        measure(step, c, work, range);
        step.packed_bytes /= c.channel_stride;
        switch (candidate.kernel->algorithm) {
            case Algorithm::int8_float_depthwise:
                fill_depthwise_call<Int8FloatDepthwiseCall>(step, c, input.value(), candidate,
                                                            range, numbers);
                break;
            case Algorithm::int8_staged_depthwise:
                fill_depthwise_call<Int8StagedDepthwiseCall>(step, c, input.value(), candidate,
                                                             range, numbers);
                break;
            default:
                fill_depthwise_call<Int8DepthwiseCall>(step, c, input.value(), candidate, range,
                                                       numbers);
        }
        steps.push_back(std::move(step));
        return {};
    }
};

}  // namespace

const Way& int8_depthwise_way() {
    static const Int8Depthwise way;
    return way;
}

}  // namespace sluice
