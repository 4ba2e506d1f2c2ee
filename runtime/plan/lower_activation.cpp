#include <algorithm>
#include <cmath>

#include "graph/shapes.h"
#include "plan/arrange.h"
#include "plan/lower.h"

namespace sluice {
namespace {

/// Whether an activation makes a finite number of the zeros beside an image's channels.
bool keeps_lanes_finite(const Activation& activation) {
    return activation.kind != ActivationKind::log && std::isfinite(activation.alpha) &&
           std::isfinite(activation.beta);
}

/// An image's pixels (c, x, y), the columns of a row as one where nothing lies between them.
void merge_columns(Buffer& a, Buffer& b) {
    const std::int64_t channels = a.axes[0].extent;
    const bool merges = a.axes[1].stride == channels && b.axes[1].stride == channels;
    for (Buffer* buffer : {&a, &b}) {
        if (merges) {
            buffer->axes[0].extent *= buffer->axes[1].extent;
            buffer->axes[1] = buffer->axes[2];
            buffer->axes.resize(2);
        }
        buffer->axes.resize(4, {1, 0});
    }
}

/// Over views of four axes.
Step activation_step(const Planner& planner, const Node& node, const Activation& activation,
                     const Buffer& input, const Buffer& output) {
    using Call = ActivationCall<Buffer>;
    Step step;
    step.kernel = find_kernel(activation.kind, planner.target);
    step.node = node.name;
    step.shape = to_string(planner.layouts.image_shape(node.outputs[0]));
    constexpr std::int64_t operations = 16;  // per element, roughly
    step.work = operations;
    for (const Axis& axis : output.axes) {
        step.work *= axis.extent;
    }
    step.split = split_views(output, {index_of(&Call::input), index_of(&Call::output)});
    set_call(
        step,
        Call{.input = input, .alpha = activation.alpha, .beta = activation.beta, .output = output});
    return step;
}

}  // namespace

Result<Lowered> lower_activation(Planner& planner, const Node& node) {
    const Layout& x = planner.layout(node.inputs[0]);
    const bool is_image = x.is_image();
    // Of all lanes: pixels without a gap between them are one row.
    const std::int64_t channels = is_image && keeps_lanes_finite(*node.activation)
                                      ? common_channels(planner, x)
                                  : is_image ? x.channels()
                                             : 0;
    Lowered lowered;
    lowered.output =
        planner.layouts.allocate(node, is_image && writes_all_lanes(planner, x, channels));
    const auto elements = [&](const Layout& layout) {
        return is_image ? pixels(layout, channels) : view(layout);
    };
    Buffer input = elements(x), output = elements(lowered.output);
    if (is_image) {
        merge_columns(output, input);
    } else if (!arrange_dense({&output, &input})) {
        return planner.unsupported(node,
                                   "runs over " +
                                       to_string(planner.layouts.image_shape(node.outputs[0])) +
                                       " by more than four loops",
                                   "reshape it to fewer extents");
    }
    lowered.steps.push_back(activation_step(planner, node, *node.activation, input, output));
    lowered.steps.back().remark = node.remark;
    return lowered;
}

Step activation_in_place(const Planner& planner, const Node& node, const Layout& image) {
    Buffer input = pixels(image, image.channel_stride()), output = input;
    merge_columns(output, input);
    return activation_step(planner, node, *node.fused_conv->activation, input, output);
}

Result<Lowered> lower_softmax(Planner& planner, const Node& node) {
    const Layout& x = planner.layout(node.inputs[0]);
    const std::size_t rank = x.axes.size() + 1;
    const std::int64_t given = planner.graph.int_attribute(node, "axis", -1);
    const auto axis = normalize_axis(given, rank);
    if (!axis || *axis == 0 || rank > 4) {
        return planner.unsupported(
            node,
            "runs over axis " + std::to_string(given) + " of " +
                to_string(planner.graph.values[std::size_t(node.inputs[0])].shape),
            rank > 4 ? "reshape it to at most four extents" : "take an axis behind the batch");
    }
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, false);
    Buffer input = view(x), output = view(lowered.output);
    for (Buffer* buffer : {&input, &output}) {
        std::vector<Axis> axes = buffer->axes;
        const Axis along = axes[*axis - 1];
        axes.erase(axes.begin() + std::ptrdiff_t(*axis) - 1);
        std::reverse(axes.begin(), axes.end());
        axes.resize(2, {1, 0});
        buffer->axes = {axes[0], along, axes[1]};
    }
    Step step;
    step.kernel = planner.kernel(Algorithm::softmax);
    step.node = node.name;
    step.shape = to_string(planner.layouts.image_shape(node.outputs[0]));
    set_call(step, SoftmaxCall<Buffer>{.input = input, .output = output});
    lowered.steps.push_back(std::move(step));
    return lowered;
}

}  // namespace sluice
