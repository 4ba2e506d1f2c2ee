#include "plan/arrange.h"
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

Result<Lowered> lower_input(Planner& planner, std::size_t index) {
    const Graph& graph = planner.graph;
    const ValueId id = graph.inputs[index];
    const Node node = named(graph, id, "input ");
    SLUICE_RETURN_IF_ERROR(check_batch(graph, node, graph.values[std::size_t(id)].shape));
    SLUICE_RETURN_IF_ERROR(check_size(planner, node));
    const Buffer source{Memory::input, int(index), 0, halide_type_of<float>(),
                        dense_axes(planner.layouts.image_shape(id))};
    Lowered lowered;
    lowered.output = planner.layouts.allocate_input(node);
    SLUICE_RETURN_IF_ERROR(
        append(lowered.steps, copy_step(planner, node, source, view(lowered.output))));
    return lowered;
}

Result<Step> lower_output(Planner& planner, std::size_t index) {
    const Graph& graph = planner.graph;
    const ValueId id = graph.outputs[index];
    const Node node = named(graph, id, "output ");
    SLUICE_RETURN_IF_ERROR(check_batch(graph, node, graph.values[std::size_t(id)].shape));
    if (graph.constant(id) != nullptr) {
        return planner.unsupported(node, "does not depend on the input",
                                   "remove it from the model's outputs");
    }
    const Buffer target{Memory::output, int(index), 0, halide_type_of<float>(),
                        dense_axes(planner.layouts.image_shape(id))};
    return copy_step(planner, node, view(planner.layout(id)), target);
}

}  // namespace sluice
