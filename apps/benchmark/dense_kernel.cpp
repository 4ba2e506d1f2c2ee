#include "benchmark/dense_kernel.h"

#include <string>
#include <utility>

#include "plan/plan.h"

namespace sluice::benchmark {
namespace {

constexpr const char* layer = "layer";

/// The convolution alone, with weights of zero.
Graph make_graph(const ConvShape& shape, std::int64_t inputs, std::int64_t outputs) {
    const std::int64_t border = shape.kernel / 2;
    Graph graph;
    graph.file = "dense layer";
    const auto add = [&graph](const char* name, Shape extents) {
        return graph.add_value({name, std::move(extents), true, true, nullptr});
    };
    graph.inputs = {add(
        "x", {1, inputs, shape.padded_height() - 2 * border, shape.padded_width() - 2 * border})};
    graph.outputs = {add("y", {1, outputs, shape.height, shape.width})};
    const std::size_t count = static_cast<std::size_t>(outputs * inputs) *
                              static_cast<std::size_t>(shape.kernel * shape.kernel);
    FusedConv conv;
    conv.weights = std::make_shared<Constant>(
        Constant{{outputs, inputs, shape.kernel, shape.kernel}, std::vector<float>(count)});
    conv.bias.resize(static_cast<std::size_t>(outputs));
    conv.scale.assign(static_cast<std::size_t>(outputs), 1);
    conv.shift.resize(static_cast<std::size_t>(outputs));
    conv.stride[0] = conv.stride[1] = shape.stride;
    for (std::int64_t& pad : conv.pads) {
        pad = border;
    }
    Node node{Op::fused_conv,
              layer,
              {graph.inputs[0], no_value, no_value},
              graph.outputs,
              {},
              {},
              {},
              {}};
    node.fused_conv = std::move(conv);
    graph.nodes.push_back(std::move(node));
    return graph;
}

}  // namespace

Result<const Kernel*> plan_dense_kernel(const ConvShape& shape, const Target& target) {
    // Whole vectors of channels, because a plan lays a layer's output out in them and the picture
    // that a network reads without.
    const auto plan = make_plan(make_graph(shape, round_up(shape.inputs, target.lanes),
                                           round_up(shape.outputs, target.lanes)),
                                target);
    if (!plan.ok()) {
        return plan.status();
    }
    for (const Step& step : plan.value()->steps) {
        if (step.node == layer && step.kernel->algorithm != Algorithm::copy) {
            return step.kernel;
        }
    }
    return Status::error("there is no dense kernel for " + std::string(target.id));
}

}  // namespace sluice::benchmark
