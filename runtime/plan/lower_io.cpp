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

/// What turns a caller's int8 into the uint8 that the plan holds, and back.
std::int32_t sign_of(const Value& value) { return value.is_int8_outside ? 0x80 : 0; }

}  // namespace

Result<Lowered> lower_input(Planner& planner, std::size_t index) {
    const Graph& graph = planner.graph;
    const ValueId id = graph.inputs[index];
    const Node node = named(graph, id, "input ");
    SLUICE_RETURN_IF_ERROR(check_batch(graph, node, graph.values[std::size_t(id)].shape));
    SLUICE_RETURN_IF_ERROR(check_size(planner, node));
    const Value& value = graph.values[std::size_t(id)];
    Lowered lowered;
    if (value.is_float() && planner.readers.only_quantised(id)) {
        lowered.output.memory = Memory::input;
        lowered.output.index = int(index);
        lowered.output.axes = dense_axes(planner.layouts.image_shape(id));
        return lowered;
    }
    lowered.output = planner.layouts.allocate_input(node);
    const Buffer source{Memory::input, int(index), 0, halide_type(lowered.output.type),
                        dense_axes(planner.layouts.image_shape(id))};
    SLUICE_RETURN_IF_ERROR(append(
        lowered.steps, copy_step(planner, node, source, view(lowered.output), sign_of(value))));
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
    const Layout& layout = planner.layout(id);
    const Buffer target{Memory::output, int(index), 0, halide_type(layout.type),
                        dense_axes(planner.layouts.image_shape(id))};
    return copy_step(planner, node, view(layout), target, sign_of(graph.values[std::size_t(id)]));
}

}  // namespace sluice
