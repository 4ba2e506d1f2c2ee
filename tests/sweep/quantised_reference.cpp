#include "sweep/quantised_reference.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "passes/load_graph.h"
#include "reference/interpreter.h"
#include "sweep/model_file.h"

namespace sluice::sweep {
namespace {

/// By which the passes may change an output, in the mean, as part of the largest: a number that
/// falls to the other side of half a step is one among many.
constexpr double most_changed = 0.03;

bool is_copy(const Graph& graph, const Node& node) {
    switch (node.op) {
        case Op::quantize_linear:
        case Op::dequantize_linear:
        case Op::max_pool:
        case Op::concat:
        case Op::reshape:
        case Op::transpose:
        case Op::slice:
        case Op::pad:
        case Op::identity:
        case Op::expand:
        case Op::relu:
        case Op::clip:
            return true;
        case Op::resize:
            return graph.string_attribute(node, "mode", "nearest") == "nearest";
        default:
            return false;
    }
}

/// Whether a node of integers gives the same numbers in whichever order it adds up.
bool is_exact(const Graph& graph, const Node& node) {
    const bool is_quantised = graph.values[std::size_t(node.outputs[0])].quantization.has_value();
    return is_copy(graph, node) ||
           (node.fused_conv ? node.fused_conv->is_quantised() : is_quantised);
}

std::vector<bool> exact_values(const Graph& graph) {
    std::vector<bool> exact(graph.values.size(), true);
    for (const Node& node : graph.nodes) {
        const bool are_inputs =
            std::all_of(node.inputs.begin(), node.inputs.end(),
                        [&](ValueId id) { return id == no_value || exact[std::size_t(id)]; });
        exact[std::size_t(node.outputs[0])] = are_inputs && is_exact(graph, node);
    }
    return exact;
}

/// Adds to the numbers of a value that is int8 outside, and uint8 inside.
Tensor moved(const Graph& graph, ValueId id, Tensor x, float by) {
    for (float& number : x.data) {
        number += graph.values[std::size_t(id)].is_int8_outside ? by : 0;
    }
    return x;
}

Tensor image_of(const Tensor& x, std::int64_t image) {
    const std::size_t size = x.data.size() / std::size_t(x.shape[0]);
    const auto begin = x.data.begin() + std::ptrdiff_t(std::size_t(image) * size);
    Tensor part{x.shape, {begin, begin + std::ptrdiff_t(size)}};
    part.shape[0] = 1;
    return part;
}

/// The outputs for all images of the net's inputs; a graph of a symbolic batch is that of one.
Result<std::vector<Tensor>> interpret_all(const Graph& graph, const Net& net) {
    std::vector<Tensor> all;
    const std::int64_t runs = graph.batch_is_symbolic ? net.batch() : 1;
    for (std::int64_t image = 0; image < runs; ++image) {
        std::vector<Tensor> inputs;
        for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
            const Tensor& x = net.value(net.graph.inputs[i]);
            inputs.push_back(moved(graph, graph.inputs[i],
                                   graph.batch_is_symbolic ? image_of(x, image) : x, 128));
        }
        auto outputs = reference::interpret(graph, inputs);
        if (!outputs.ok()) {
            return outputs.status();
        }
        all.resize(outputs.value().size());
        for (std::size_t i = 0; i < all.size(); ++i) {
            const Tensor y = moved(graph, graph.outputs[i], outputs.value()[i], -128);
            all[i].data.insert(all[i].data.end(), y.data.begin(), y.data.end());
            all[i].shape = net.shape(net.graph.outputs[i]);
        }
    }
    return all;
}

double mean_difference(const Tensor& a, const Tensor& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.data.size(); ++i) {
        sum += std::abs(double(a.data[i]) - double(b.data[i]));
    }
    return sum / double(a.data.size());
}

}  // namespace

QuantisedReference quantised_reference(const Net& net) {
    QuantisedReference reference;
    const ModelFile file(net.model());
    const auto graph = load_graph(file.path());
    if (!graph.ok()) {
        reference.fault = "does not load: " + graph.status().message() + "\n";
        return reference;
    }
    const auto outputs = interpret_all(graph.value(), net);
    if (!outputs.ok()) {
        reference.fault = "has no reference: " + outputs.status().message() + "\n";
        return reference;
    }
    const std::vector<bool> exact = exact_values(graph.value());
    for (std::size_t i = 0; i < outputs.value().size(); ++i) {
        const ValueId id = net.graph.outputs[i];
        const bool is_exact = exact[std::size_t(graph.value().outputs[i])];
        const double most = most_changed * double(net.largest(id));
        const double changed = mean_difference(outputs.value()[i], net.value(id));
        if (!(changed <= most)) {
            reference.fault += "the passes change output " + std::to_string(i) + " by " +
                               std::to_string(changed) + " in the mean, and it is at most " +
                               std::to_string(net.largest(id)) + "\n";
        }
        reference.exact_outputs += is_exact;
        reference.outputs.push_back({outputs.value()[i], is_exact ? 0 : most, !is_exact});
    }
    return reference;
}

}  // namespace sluice::sweep
