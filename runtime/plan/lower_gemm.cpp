#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "graph/aligned.h"
#include "plan/lower.h"

namespace sluice {
namespace {

/// y = alpha * x * weights + bias of a Gemm.
struct Linear {
    std::int64_t outputs = 0, inputs = 0;
    const Floats* weights = nullptr;
    bool is_turned = false;  ///< weights [O, I], else [I, O]
    float alpha = 1;
    std::vector<float> bias;
};

/// Writes the weights of `lanes` outputs, [input][output], with zeros for outputs that are none.
void pack_rows(const Linear& l, std::int64_t lanes, std::int64_t first, float* to) {
    constexpr std::int64_t square = 16;  // a cache line of each row, before another row evicts it
    const std::int64_t count = std::min(lanes, l.outputs - first);
    const std::int64_t along_o = l.is_turned ? l.inputs : 1, along_i = l.is_turned ? 1 : l.outputs;
    if (count < lanes) {
        std::fill_n(to, lanes * l.inputs, 0.0f);
    }
    for (std::int64_t i = 0; i < l.inputs; i += square) {
        const std::int64_t end = std::min(i + square, l.inputs);
        for (std::int64_t o = 0; o < count; ++o) {
            const float* const from = l.weights->data() + (first + o) * along_o;
            for (std::int64_t at = i; at < end; ++at) {
                to[at * lanes + o] = l.alpha * from[at * along_i];
            }
        }
    }
}

/// Why read_gemm gives none.
std::string gemm_obstacle(const Graph& graph, const Node& node) {
    if (graph.int_attribute(node, "transA", 0) != 0) {
        return "has transA 1";
    }
    for (std::size_t i = 1; i < node.inputs.size(); ++i) {
        const std::string name = i == 1 ? "weights" : "a bias";
        const Constant* constant = graph.constant(node.inputs[i]);
        if (node.inputs[i] != no_value && constant == nullptr) {
            return "has " + name + " that the model computes from its input";
        }
        if (constant != nullptr && !constant->is_float()) {
            return "has " + name + " of integers";
        }
    }
    return "multiplies " + to_string(graph.values[std::size_t(node.inputs[0])].shape);
}

std::optional<Linear> read_gemm(const Graph& graph, const Node& node) {
    const Constant* weights = graph.constant(node.inputs[1]);
    const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != no_value;
    const Constant* bias = has_bias ? graph.constant(node.inputs[2]) : nullptr;
    if (weights == nullptr || !weights->is_float() || weights->shape.size() != 2 ||
        graph.int_attribute(node, "transA", 0) != 0 ||
        (has_bias && (bias == nullptr || !bias->is_float()))) {
        return std::nullopt;
    }
    const bool is_turned = graph.int_attribute(node, "transB", 0) != 0;
    const float alpha = graph.float_attribute(node, "alpha", 1);
    const float beta = graph.float_attribute(node, "beta", 1);
    Linear l;
    l.outputs = weights->shape[is_turned ? 0 : 1];
    l.inputs = weights->shape[is_turned ? 1 : 0];
    l.weights = &weights->floats();
    l.is_turned = is_turned;
    l.alpha = alpha;
    l.bias.assign(std::size_t(l.outputs), 0);
    if (bias != nullptr && beta != 0) {
        const auto count = std::int64_t(bias->floats().size());
        if (count != 1 && (count != l.outputs || bias->shape.back() != l.outputs)) {
            return std::nullopt;
        }
        for (std::int64_t o = 0; o < l.outputs; ++o) {
            l.bias[std::size_t(o)] = beta * bias->floats()[count == 1 ? 0 : std::size_t(o)];
        }
    }
    return l;
}

}  // namespace

Result<Lowered> lower_gemm(Planner& planner, const Node& node) {
    if (node.fused_conv) {
        return lower_int8_gemm(planner, node);
    }
    const auto linear = read_gemm(planner.graph, node);
    const Layout& x = planner.layout(node.inputs[0]);
    if (!linear || x.axes.size() != 1) {
        return planner.unsupported(node, gemm_obstacle(planner.graph, node),
                                   "multiply [N, I] by constant float weights");
    }
    const std::int64_t lanes = planner.lanes;
    const std::int64_t inputs = linear->inputs, outputs = linear->outputs;
    const std::int64_t padded = round_up(outputs, lanes);
    std::vector<float> bias(linear->bias);
    bias.resize(std::size_t(padded));
    const bool is_last = linear->is_turned && planner.is_last_reader(node, node.inputs[1]);
    const auto pack = [&](float* to, std::int64_t part) {
        pack_rows(*linear, lanes, part * lanes, to + part * lanes * inputs);
        if (is_last) {
            const std::int64_t end = std::min((part + 1) * lanes, outputs);
            linear->weights->forget(std::size_t(part * lanes * inputs), std::size_t(end * inputs));
        }
    };
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, true);
    lowered.macs = outputs * inputs;
    Buffer output = view(lowered.output);
    output.axes = {{padded, 1}};
    const Clamp none;
    using Call = LinearCall<Buffer>;
    Step step;
    step.kernel = planner.kernel(Algorithm::linear);
    step.node = node.name;
    step.shape = std::to_string(inputs) + " -> " + std::to_string(outputs);
    step.packed_bytes = padded * inputs * 4;
    step.macs = lowered.macs;
    step.work = 2 * step.macs;
    set_call(step, Call{.input = view(x),
                        .weights = planner.constants.add_packed(
                            padded * inputs,
                            {{lanes, 1}, {inputs, lanes}, {padded / lanes, inputs * lanes}},
                            padded / lanes, pack),
                        .bias = planner.constants.add_floats(bias, {{padded, 1}}),
                        .low = none.low,
                        .high = none.high,
                        .output = output});
    step.split = {
        padded / lanes,
        {along(&Call::weights, 2, 1), along(&Call::bias, 0, lanes), along(&Call::output, 0, lanes)},
        -1};
    lowered.steps.push_back(std::move(step));
    return lowered;
}

}  // namespace sluice
