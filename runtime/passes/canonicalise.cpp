#include <numeric>

#include "graph/shapes.h"
#include "passes/edit.h"
#include "passes/passes.h"

namespace sluice {
namespace {

/// Whether a Resize copies its input, as ONNX Runtime does then: interpolation would make NaN of an
/// infinity beside an element, by a weight of zero.
bool keeps_size(const Graph& graph, const Node& node) {
    const std::string places =
        graph.string_attribute(node, "coordinate_transformation_mode", "half_pixel");
    const auto scales = node.inputs.size() > 2 ? graph.constant(node.inputs[2])
                                               : static_cast<const Constant*>(nullptr);
    const bool is_scaled =
        scales != nullptr && scales->is_float() && !all_equal(scales->floats(), 1);
    return !is_scaled && places != "tf_crop_and_resize" &&
           shape_of(graph, node.inputs[0]) == shape_of(graph, node.outputs[0]);
}

bool is_no_op(const Graph& graph, const Node& node) {
    if (node.op == Op::identity) {
        return true;
    }
    return node.op == Op::cast && graph.values[std::size_t(node.inputs[0])].is_float() &&
           graph.values[std::size_t(node.outputs[0])].is_float();
}

/// Of constants a Cast to 16 bits is computed when they are folded; of what the input decides it
/// would round each value.
Status check_cast(const Graph& graph, const Node& node) {
    constexpr std::int64_t float16 = 10, bfloat16 = 16;
    const std::int64_t to = node.op == Op::cast ? graph.int_attribute(node, "to", 0) : 0;
    if ((to == float16 || to == bfloat16) && graph.constant(node.inputs[0]) == nullptr &&
        graph.values[std::size_t(node.inputs[0])].is_float()) {
        return error_at(
            graph, node,
            std::string("rounds activations to ") + (to == float16 ? "float16" : "bfloat16"),
            "export the model in float32");
    }
    return {};
}

/// Drops the nodes that do nothing, but for those that write an output: what they wrote is read
/// where it came from.
void drop_no_ops(Graph& graph) {
    std::vector<bool> is_output(graph.values.size(), false);
    for (const ValueId id : graph.outputs) {
        is_output[std::size_t(id)] = true;
    }
    std::vector<ValueId> same(graph.values.size());
    std::iota(same.begin(), same.end(), ValueId{0});
    std::vector<Node> kept;
    kept.reserve(graph.nodes.size());
    for (Node& node : graph.nodes) {
        for (ValueId& id : node.inputs) {
            id = id == no_value ? no_value : same[std::size_t(id)];
        }
        if (is_no_op(graph, node) && !is_output[std::size_t(node.outputs[0])]) {
            same[std::size_t(node.outputs[0])] = node.inputs[0];
        } else {
            kept.push_back(std::move(node));
        }
    }
    graph.nodes = std::move(kept);
}

void make_reshape(Graph& graph, Node& node) {
    const Shape shape = shape_of(graph, node.outputs[0]);
    Value target;
    target.name = node.name + ".shape";
    target.shape = {std::int64_t(shape.size())};
    target.shape_known = true;
    target.type = ElementType::int64;
    target.constant = std::make_shared<Constant>(Constant{target.shape, shape});
    node.op = Op::reshape;
    node.attributes.clear();
    node.inputs = {node.inputs[0], graph.add_value(std::move(target))};
}

/// Whether a ReduceMean covers H and W of [N, C, H, W] and nothing else.
bool covers_image(const Graph& graph, const Node& node) {
    const std::size_t rank = shape_of(graph, node.inputs[0]).size();
    const auto axes = node_axes(graph, node, rank);
    return rank == 4 && axes.ok() && axes.value() == std::vector<std::size_t>{2, 3};
}

/// Returns the Reshape that has to follow, if any.
std::optional<Node> make_global_average_pool(Graph& graph, Node& node) {
    std::optional<Node> after;
    const ValueId result = node.outputs[0];
    if (shape_of(graph, result).size() == 2) {
        Value pooled;
        pooled.name = node.name + ".pooled";
        pooled.shape = shape_of(graph, result);
        pooled.shape.insert(pooled.shape.end(), {1, 1});
        pooled.shape_known = true;
        node.outputs = {graph.add_value(std::move(pooled))};
        after.emplace();
        after->name = node.name + ".reshape";
        after->inputs = node.outputs;
        after->outputs = {result};
        make_reshape(graph, *after);
    }
    node.op = Op::global_average_pool;
    node.inputs.resize(1);
    node.attributes.clear();
    return after;
}

}  // namespace

Status canonicalise(Graph& graph) {
    for (Node& node : graph.nodes) {
        SLUICE_RETURN_IF_ERROR(check_cast(graph, node));
        if (node.op == Op::resize && keeps_size(graph, node)) {
            node.op = Op::identity;
            node.inputs.resize(1);
            node.attributes.clear();
        }
    }
    drop_no_ops(graph);
    std::vector<Node> nodes;
    nodes.reserve(graph.nodes.size());
    for (Node& node : graph.nodes) {
        std::optional<Node> after;
        if (node.op == Op::flatten || node.op == Op::squeeze || node.op == Op::unsqueeze) {
            make_reshape(graph, node);
        } else if (node.op == Op::reduce_mean && covers_image(graph, node)) {
            after = make_global_average_pool(graph, node);
        }
        nodes.push_back(std::move(node));
        if (after) {
            nodes.push_back(std::move(*after));
        }
    }
    graph.nodes = std::move(nodes);
    return {};
}

}  // namespace sluice
