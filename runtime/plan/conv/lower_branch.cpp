#include "plan/conv/lower_branch.h"

#include "plan/conv/pack_weights.h"
#include "plan/conv/way.h"

namespace sluice {

bool is_branch_form(const Planner& planner, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const bool only_clamps = conv.scale[0] == 1 && conv.shift[0] == 0;
    return conv.weights->shape[0] == 1 && conv.gate == GateForm::none &&
           node.inputs[2] == no_value && only_clamps &&
           planner.layout(node.inputs[0]).channel_stride() % planner.lanes == 0;
}

Result<Lowered> lower_branch(Planner& planner, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const Layout& x = planner.layout(node.inputs[0]);
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, false);
    const Layout& y = lowered.output;
    Buffer weights = pack_rows(planner.constants, conv, x.channel_stride());
    weights.axes.pop_back();  // one channel
    const Clamp clamp = compose(conv.act, conv.post);
    Step step;
    step.kernel = find_conv(planner, Algorithm::branch, GateForm::none, conv_layer(x, conv, y, 1));
    if (step.kernel == nullptr) {
        return planner.unsupported(node, "has no kernel for its branch", "choose another target");
    }
    const Shape& shape = conv.weights->shape;
    step.node = node.name;
    step.shape = conv_shape(x, y, conv);
    step.packed_bytes = weights.axes[1].extent * weights.axes[1].stride * 4;
    step.macs = shape[1] * shape[2] * shape[3] * y.height() * y.width();
    step.work = 2 * step.macs;
    Buffer output = pixels(y, 1);
    output.axes = {output.axes[1], output.axes[2]};
    using Call = BranchCall<Buffer>;
    set_call(step, Call{.input = patches(x, conv),
                        .weights = weights,
                        .stride_x = std::int32_t(conv.stride[1]),
                        .stride_y = std::int32_t(conv.stride[0]),
                        .channel_stride = std::int32_t(x.channel_stride()),
                        .bias = conv.bias[0],
                        .act_low = clamp.low,
                        .act_high = clamp.high,
                        .output = output});
    step.split = {
        y.height(), {along(&Call::input, 1, conv.stride[0]), along(&Call::output, 1, 1)}, -1};
    (conv.is_branch ? lowered.branch_macs : lowered.macs) = step.macs;
    lowered.steps.push_back(std::move(step));
    return lowered;
}

}  // namespace sluice
