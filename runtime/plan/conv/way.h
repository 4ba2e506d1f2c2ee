#pragma once

#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/last_activation.h"
#include "plan/conv/convolution.h"

namespace sluice {

/// The kernel that computes a layer in one way, held against all that it requires.
struct Found {
    const Kernel* kernel = nullptr;  ///< null: none does
    std::string why_not;             ///< where a reader of the plan would wonder; else empty
};

/// What a way's kernel reads in place of weights, bias, scale and shift.
struct Packed {
    Buffer weights = {};
    Buffer starts = {};    ///< of the direct way: the first input channel of each block of outputs
    Buffer epilogue = {};  ///< (k, row): as the generator says; of floats, row 2 holds the shift
    Buffer bias = {};      ///< of int8; elsewhere it is a row of the epilogue
    Buffer steps = {};     ///< of int8: (step, block of outputs)
    /// The direct kernel's weights of the same block, where they lie inside of these; else no axes.
    Buffer taps = {};
};

/// What a way computes in a run, as lists.
struct Work {
    Buffer list;
    std::int64_t static_count = -1;  ///< entries of the list; -1: `count` holds them
    Buffer count;
    /// Active outputs, where an entry is not one of each channel.
    std::optional<Buffer> outputs;
    /// Squares of `skipped_side` outputs each way that hold what the gate leaves; none where every
    /// output is computed.
    std::optional<Buffer> skipped;
    std::int64_t skipped_static_count = -1;
    Buffer skipped_count;
    std::int64_t skipped_side = 1;
    std::optional<Choice> fills_where;  ///< none: they are filled where the way is chosen
    /// What the way's own steps read besides.
    std::vector<Buffer> tables;
};

/// fixed + rate * what `count` holds, in the time that the direct kernel takes for one position.
struct Cost {
    double fixed = 0, rate = 0;
    std::optional<Buffer> count;  ///< none: the cost is `fixed` alone
};

/// Of a way that cannot compute all outputs.
inline constexpr double no_cost = std::numeric_limits<double>::infinity();

/// A way with the kernel that it takes for a layer.
struct Candidate {
    const class Way* way = nullptr;
    const Kernel* kernel = nullptr;
    Packed packed;
    std::string remark;  ///< of its step
};

/// One way of computing a convolution: each is a file of this folder. select.cpp alone chooses
/// between them.
class Way {
public:
    virtual WayId id() const = 0;

    /// What it requires of a layer.
    virtual Found find(const Planner& planner, const Convolution& c) const = 0;

    /// How it packs weights. `others` are the candidates of the layer, of which those that are
    /// packed already may lend it theirs.
    virtual Packed pack(Planner& planner, const Convolution& c, const Kernel& kernel,
                        std::span<const Candidate> others) const = 0;

    /// Which lists it needs: of all outputs; and of those that a gate leaves active, whose scan by
    /// positions is `lists`. The steps that write them in each run go to `steps`. `others` are the
    /// costs of the ways before it, the direct one first.
    virtual Work all(Planner& planner, const Convolution& c, const Kernel& kernel) const = 0;
    virtual Work active(Planner& planner, const Convolution& c, const Kernel& kernel,
                        const GateLists& lists, std::span<const Cost> others,
                        std::vector<Step>& steps) const = 0;

    /// What it costs to compute all outputs; infinity for ways that need a gate.
    virtual double cost_of_all(const Convolution& c, const Kernel& kernel) const = 0;
    /// What it costs to compute some work that active() has listed.
    virtual Cost cost(const Convolution& c, const Kernel& kernel, const Work& work) const = 0;

    /// Whether its kernels compute FusedConv::activation; else a step of its own does.
    virtual bool takes_activation() const { return false; }

    /// Whether the kernel reads the residual of each output before it writes that output, and does
    /// both once in a run, so that they may lie in the same memory.
    virtual bool computes_once(const Convolution& c, const Kernel& kernel) const = 0;

    /// The steps that compute it, for some output channels, in runs where `choice` holds.
    virtual Status emit(Planner& planner, const Convolution& c, const Candidate& candidate,
                        const Work& work, const ChannelRange& range,
                        const std::optional<Choice>& choice, std::vector<Step>& steps) const = 0;

protected:
    ~Way() = default;
};

const Way& direct_way();
const Way& depthwise_way();
const Way& linear_way();
const Way& winograd_way();
const Way& pairs_way();
const Way& per_element_way();
const Way& int8_way();
const Way& int8_depthwise_way();

/// The most specialised kernel of the planner's table that fits the layer; null where none does.
inline const Kernel* find_conv(const Planner& planner, Algorithm algorithm, GateForm gate,
                               const ConvLayer& layer) {
    return find_conv(planner.options.kernels, algorithm, gate, planner.target, layer);
}

/// A step of a convolution, its list, shape and choice set.
Step conv_step(const Convolution& c, const Candidate& candidate, const Work& work,
               const std::optional<Choice>& choice);

/// Writes what the gate leaves to the skipped outputs; none where `work` has no such list.
void append_fill(const Planner& planner, const Convolution& c, const Packed& packed,
                 const Work& work, const ChannelRange& range, const std::optional<Choice>& choice,
                 std::vector<Step>& steps);

/// No kernel of the build computes the layer.
Status no_kernel(const Planner& planner, const Convolution& c);

/// A call that computes some output channels over the layer's own window, but for its list and its
/// weights, and of int8 for its numbers.
template <typename Call>
Call window_call(const Convolution& c, const Packed& packed, const ChannelRange& range) {
    const FusedConv& conv = c.conv;
    Call call;
    call.input = c.input;
    call.epilogue = from_channel(packed.epilogue, range.first, range.count);
    call.gate = c.gate;
    call.residual = from_channel(c.residual, range.first, range.count);
    call.stride_x = std::int32_t(conv.stride[1]);
    call.stride_y = std::int32_t(conv.stride[0]);
    if constexpr (requires { call.channel_stride; }) {
        call.channel_stride = std::int32_t(c.channel_stride);
    } else {
        call.dilation_x = std::int32_t(conv.dilation[1]);
        call.dilation_y = std::int32_t(conv.dilation[0]);
    }
    if constexpr (requires { call.post_low; }) {
        call.act_low = conv.act.low;
        call.act_high = conv.act.high;
        call.post_low = conv.post.low;
        call.post_high = conv.post.high;
    }
    call.output = from_channel(c.output, range.first, range.count);
    return call;
}

/// Shares out a call's output channels between threads, by blocks of them, which are the last of
/// `weight_axes`, of which a block has `panels` units along the last one.
template <typename Call>
Split split_channels(const Convolution& c, const ChannelRange& range, std::int64_t block,
                     int weight_axes, std::int64_t panels = 1) {
    Split split{range.count / block,
                {along(&Call::weights, weight_axes - 1, panels), along(&Call::epilogue, 0, block),
                 along(&Call::residual, 0, block), along(&Call::output, 0, block)},
                -1};
    if (c.gate_form == GateForm::element) {
        split.along.push_back(along(&Call::gate, 0, block));
    }
    return split;
}

/// The clamp that is all that becomes of a layer's sums and bias, before its activation; none where
/// more does.
std::optional<Clamp> only_clamp(const Convolution& c);

/// Tells a call whose kernel has no gate what it may leave out, and what it computes last.
template <typename Call>
void set_end(Call& call, const Convolution& c) {
    if (const auto clamp = only_clamp(c)) {
        call.is_plain = 1;
        call.post_low = clamp->low;
        call.post_high = clamp->high;
    }
    if (const auto& activation = c.conv.activation) {
        call.activation =
            std::int32_t(activation->kind == ActivationKind::silu ? LastActivation::silu
                                                                  : LastActivation::hard_swish);
        call.activation_alpha = activation->alpha;
        call.activation_beta = activation->beta;
    }
}

/// The rows of a step that computes all outputs of a layer; `units` as in Rows. None of a layer
/// that a gate multiplies, and of a phase, whose rows are not those of the layer's output.
template <typename Call>
std::optional<Rows> rows_of(const Convolution& c, std::int64_t units) {
    if (c.gate_form != GateForm::none || c.is_phase) {
        return std::nullopt;
    }
    const std::int64_t window = (c.conv.weights->shape[2] - 1) * c.conv.dilation[0] + 1;
    return Rows{c.height(),
                units,
                {{index_of(&Call::input), c.conv.stride[0], c.conv.pads[0], window},
                 {index_of(&Call::residual)}}};
}

/// Part of a packed buffer (.., k / block) for some output channels; a block may be a panel.
Buffer blocks_of(Buffer packed, const ChannelRange& range, std::int64_t block);

}  // namespace sluice
