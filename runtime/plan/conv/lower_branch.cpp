#include "plan/conv/lower_branch.h"

#include "plan/conv/int8_weights.h"
#include "plan/conv/pack_weights.h"
#include "plan/conv/way.h"

namespace sluice {

bool is_branch_form(const Planner& planner, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const bool only_clamps = conv.scale[0] == 1 && conv.shift[0] == 0;
    if (!planner.graph.values[std::size_t(node.outputs[0])].is_float() || conv.after_gate) {
        return false;
    }
    return conv.weights->shape[0] == 1 && conv.gate == GateForm::none && conv.is_plain() &&
           !conv.activation && node.inputs[2] == no_value && only_clamps &&
           planner.layout(node.inputs[0]).channel_stride() % planner.lanes == 0;
}

namespace {

/// What both calls have in common; threads share out the rows.
template <typename Call>
Call branch_call(const Planner& planner, const Node& node, const Layout& y, const Buffer& weights,
                 Step& step) {
    const FusedConv& conv = *node.fused_conv;
    const Layout& x = planner.layout(node.inputs[0]);
    Call call;
    call.input = patches(x, conv);
    call.weights = weights;
    call.stride_x = std::int32_t(conv.stride[1]);
    call.stride_y = std::int32_t(conv.stride[0]);
    call.channel_stride = std::int32_t(x.channel_stride());
    call.output = pixels(y, 1);
    call.output.axes = {call.output.axes[1], call.output.axes[2]};
    step.packed_bytes =
        weights.axes[1].extent * weights.axes[1].stride * std::int64_t(weights.type.bytes());
    step.split = {
        y.height(), {along(&Call::input, 1, conv.stride[0]), along(&Call::output, 1, 1)}, -1};
    return call;
}

void set_branch(Planner& planner, const Node& node, const Layout& y, Step& step) {
    const FusedConv& conv = *node.fused_conv;
    Buffer weights =
        pack_rows(planner.constants, conv, planner.layout(node.inputs[0]).channel_stride());
    weights.axes.pop_back();  // one channel
    const Clamp clamp = compose(conv.act, conv.post);
    auto call = branch_call<BranchCall<Buffer>>(planner, node, y, weights, step);
    call.bias = conv.bias[0];
    call.act_low = clamp.low;
    call.act_high = clamp.high;
    set_call(step, call);
}

void set_int8_branch(Planner& planner, const Node& node, const Layout& y, Step& step) {
    const FusedConv& conv = *node.fused_conv;
    const auto& info = step.kernel->as<Int8BranchInfo>();
    const Buffer weights = pack_int8_rows(
        planner.constants, conv, planner.layout(node.inputs[0]).channel_stride(), info.bytes);
    const Quantizations of = quantizations(planner.graph, node);
    const Int8Numbers n = int8_numbers(conv, of);
    auto call = branch_call<Int8BranchCall<Buffer>>(planner, node, y, weights, step);
    call.bias = (*int8_bias(conv, of.input, info.offset))[0];
    call.multiplier = n.multiplier[0];
    call.act_low = n.act_low;
    call.act_high = n.act_high;
    call.low = n.low;
    call.high = n.high;
    call.rounds = std::int32_t(n.rounds);
    call.scale = n.scale;
    set_call(step, call);
}

}  // namespace

Result<Lowered> lower_branch(Planner& planner, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const Layout& x = planner.layout(node.inputs[0]);
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, false);
    const Layout& y = lowered.output;
    Step step;
    step.kernel =
        find_conv(planner, conv.is_quantised() ? Algorithm::int8_branch : Algorithm::branch,
                  GateForm::none, conv_layer(x, conv, y, 1));
    if (step.kernel == nullptr) {
        return planner.unsupported(node, "has no kernel for its branch", "choose another target");
    }
    const Shape& shape = conv.weights->shape;
    step.node = node.name;
    step.shape = conv_shape(x, y, conv);
    step.macs = shape[1] * shape[2] * shape[3] * y.height() * y.width();
    step.work = 2 * step.macs;
    if (conv.is_quantised()) {
        set_int8_branch(planner, node, y, step);
    } else {
        set_branch(planner, node, y, step);
    }
    (conv.is_branch ? lowered.branch_macs : lowered.macs) = step.macs;
    lowered.steps.push_back(std::move(step));
    return lowered;
}

}  // namespace sluice
