#include "passes/fold_constants.h"

#include <algorithm>
#include <utility>

#include "graph/shapes.h"
#include "passes/constant_budget.h"
#include "passes/evaluate_constant.h"
#include "passes/fix_mixed_batch.h"

namespace sluice {

namespace {

/// Of each value, whether its elements are read. A Shape reads the extents alone, and so does what
/// only a Shape asks for: of its inputs no more than the integers that set its extents.
std::vector<bool> read_elements(const Graph& graph) {
    std::vector<bool> is_read(graph.values.size(), false);
    for (const ValueId id : graph.outputs) {
        is_read[std::size_t(id)] = true;
    }
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
        const std::size_t none = node->inputs.size();
        const bool reads_all = is_read[std::size_t(node->outputs[0])] && node->op != Op::shape;
        const std::size_t first = reads_all ? 0 : first_extent_input(node->op).value_or(none);
        for (std::size_t i = first; i < node->inputs.size(); ++i) {
            if (node->inputs[i] != no_value) {
                is_read[std::size_t(node->inputs[i])] = true;
            }
        }
    }
    return is_read;
}

/// Evaluates nodes in topological order.
class Folder {
public:
    explicit Folder(Graph& graph)
        : graph_(graph),
          is_read_(read_elements(graph)),
          is_known_(graph.values.size(), false),
          budget_(graph) {
        for (std::size_t id = 0; id < graph.values.size(); ++id) {
            is_known_[id] = graph.values[id].constant != nullptr;
        }
    }

    /// Whether a node's output is known at load time.
    bool is_known(const Node& node) const {
        if (node.op == Op::shape) {  // needs the shape of its input, not the input
            return true;
        }
        return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
            return id == no_value || is_known_[std::size_t(id)];
        });
    }
    /// Of each value, whether it is known at load time; one that nobody reads is not evaluated.
    const std::vector<bool>& known() const { return is_known_; }

    Status fold(const Node& node) {
        const auto output = std::size_t(node.outputs[0]);
        is_known_[output] = true;
        if (!is_read_[output]) {
            return {};
        }
        if (!budget_.take(evaluated_elements(graph_, node))) {
            return error_at(graph_, node,
                            "would make a constant of " + to_string(graph_.values[output].shape) +
                                ", and those that the model computes would then have more than " +
                                std::to_string(budget_.all()) + " elements",
                            "store large constants in the file");
        }
        auto constant = evaluate_constant(graph_, node);
        if (!constant.ok()) {
            return constant.status();
        }
        graph_.values[output].constant = std::move(constant).value();
        return {};
    }

private:
    Graph& graph_;
    const std::vector<bool> is_read_;
    std::vector<bool> is_known_;
    ConstantBudget budget_;
};

Status check_outputs(const Graph& graph) {
    for (ValueId id : graph.outputs) {
        if (graph.constant(id)) {
            return Status::error("output '" + graph.values[std::size_t(id)].name +
                                     "' does not depend on the input",
                                 "remove it from the model's outputs")
                .in_file(graph.file);
        }
    }
    return {};
}

}  // namespace

Status fold_constants(Graph& graph) {
    remove_dead_nodes(graph);
    std::vector<Value> unfolded = graph.batch_is_symbolic ? graph.values : std::vector<Value>();
    Folder folder(graph);
    for (Node& node : graph.nodes) {
        SLUICE_RETURN_IF_ERROR(infer_shape(graph, node));
        if (folder.is_known(node)) {
            SLUICE_RETURN_IF_ERROR(folder.fold(node));
        } else if (!graph.values[std::size_t(node.outputs[0])].is_float()) {
            return error_at(graph, node, "computes integers from the image",
                            "export a network whose activations are float");
        }
    }
    SLUICE_RETURN_IF_ERROR(check_outputs(graph));
    if (graph.batch_is_symbolic) {
        fix_mixed_batch(graph, std::move(unfolded), folder.known());
    }
    std::erase_if(graph.nodes, [&folder](const Node& node) {
        return folder.known()[std::size_t(node.outputs[0])];
    });
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
