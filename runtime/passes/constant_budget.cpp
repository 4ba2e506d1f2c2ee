#include "passes/constant_budget.h"

namespace sluice {

namespace {

std::int64_t size_of(const Constant& constant) {
    return std::visit([](const auto& data) { return std::int64_t(data.size()); }, constant.data);
}

}  // namespace

Status check_readings(const Graph& graph) {
    std::int64_t readings = 0;
    for (const Node& node : graph.nodes) {
        for (const ValueId id : node.inputs) {
            const Constant* constant = graph.constant(id);
            readings += constant ? size_of(*constant) : 0;
        }
        const Shape& output = graph.values[std::size_t(node.outputs[0])].shape;
        readings += output.size() > 1 ? output[1] : 0;
    }
    if (ConstantBudget(graph).take(readings)) {
        return {};
    }
    return Status::error("has nodes that read constants of " + std::to_string(readings) +
                             " elements in all, where its file holds " +
                             std::to_string(graph.stored_elements),
                         "export a model whose nodes share fewer weights")
        .in_file(graph.file);
}

}  // namespace sluice
