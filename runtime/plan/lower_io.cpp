#include <algorithm>

#include "plan/lower.h"
#include "plan/refusal.h"

namespace sluice {
namespace {

Node named(const Graph& graph, ValueId id, const char* prefix) {
    Node node{};
    node.op = Op::identity;
    node.name = prefix + graph.values[std::size_t(id)].name;
    node.outputs = {id};
    return node;
}

Status check_batch(const Graph& graph, const Node& node, const Shape& shape) {
    if (shape.empty() || shape[0] != graph.batch) {
        return error_at(graph, node,
                        "has the shape " + to_string(shape) + " without the batch of " +
                            std::to_string(graph.batch),
                        "give every input and output the batch first");
    }
    return {};
}

}  // namespace

Status plan_inputs(Builder& builder) {
    const Graph& graph = builder.graph;
    for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
        const ValueId id = graph.inputs[i];
        const Node node = named(graph, id, "input ");
        SLUICE_RETURN_IF_ERROR(check_batch(graph, node, graph.values[std::size_t(id)].shape));
        SLUICE_RETURN_IF_ERROR(check_size(builder, node));
        Buffer source{Memory::input, int(i), 0, halide_type_of<float>(),
                      dense_axes(builder.picture_shape(id))};
        const Layout& to = builder.allocate_input(node);
        SLUICE_RETURN_IF_ERROR(emit_copy(builder, node, source, view(to)));
    }
    return {};
}

Status plan_outputs(Builder& builder) {
    const Graph& graph = builder.graph;
    for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
        const ValueId id = graph.outputs[i];
        const Node node = named(graph, id, "output ");
        const Shape& shape = graph.values[std::size_t(id)].shape;
        SLUICE_RETURN_IF_ERROR(check_batch(graph, node, shape));
        if (graph.constant(id) != nullptr) {
            return builder.unsupported(node, "does not depend on the input",
                                       "remove it from the model's outputs");
        }
        Buffer target{Memory::output, int(i), 0, halide_type_of<float>(),
                      dense_axes(builder.picture_shape(id))};
        SLUICE_RETURN_IF_ERROR(emit_copy(builder, node, view(builder.layout(id)), target));
    }
    return {};
}

}  // namespace sluice
