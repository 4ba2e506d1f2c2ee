#include "passes/fold_constants.h"

#include <algorithm>
#include <utility>

#include "graph/shapes.h"
#include "passes/constant_budget.h"
#include "passes/evaluate_constant.h"
#include "passes/fix_mixed_batch.h"
#include "passes/quantised.h"

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

/// Of each value, whether a DequantizeLinear gives it and layers read it as weights alone.
/// Those stay bytes, a quarter of the memory of floats, until a pass knows how the layer runs.
std::vector<bool> dequantized_weights(const Graph& graph) {
    std::vector<bool> are_weights(graph.values.size(), false);
    for (const Node& node : graph.nodes) {
        if (node.op == Op::dequantize_linear) {
            are_weights[std::size_t(node.outputs[0])] = true;
        }
        const bool is_layer = node.op == Op::conv || node.op == Op::gemm || node.op == Op::mat_mul;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            if (node.inputs[i] != no_value && !(is_layer && i == 1)) {
                are_weights[std::size_t(node.inputs[i])] = false;
            }
        }
    }
    for (const ValueId id : graph.outputs) {
        are_weights[std::size_t(id)] = false;
    }
    return are_weights;
}

/// Evaluates nodes in topological order.
class Folder {
public:
    explicit Folder(Graph& graph)
        : graph_(graph),
          is_read_(read_elements(graph)),
          are_weights_(dequantized_weights(graph)),
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
    /// Whether a node whose output is known stays for the passes to evaluate.
    bool stays(const Node& node) const {
        return node.op == Op::dequantize_linear && are_weights_[std::size_t(node.outputs[0])] &&
               is_byte(graph_.values[std::size_t(node.inputs[0])]) && is_known(node);
    }
    /// Of each value, whether it is known at load time; one that nobody reads is not evaluated.
    const std::vector<bool>& known() const { return is_known_; }

    Status fold(const Node& node) {
        const auto output = std::size_t(node.outputs[0]);
        is_known_[output] = true;
        if (!is_read_[output] || stays(node)) {
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
    const std::vector<bool> are_weights_;
    std::vector<bool> is_known_;
    ConstantBudget budget_;
};

/// Whether passes can take a node that does not compute from constants alone: one that gives
/// floats, and of bytes one that quantises or copies them.
bool gives_activation(const Graph& graph, const Node& node) {
    if (graph.values[std::size_t(node.outputs[0])].is_float()) {
        return true;
    }
    switch (node.op) {
        case Op::quantize_linear:
        case Op::q_linear_conv:
        case Op::q_linear_mat_mul:
        case Op::conv_integer:
        case Op::mat_mul_integer:
            return true;
        default:
            return copies_bytes(graph, node);
    }
}

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
        } else if (!gives_activation(graph, node)) {
            return error_at(graph, node, "computes integers from the image",
                            "export a network whose activations are float");
        }
    }
    SLUICE_RETURN_IF_ERROR(check_outputs(graph));
    if (graph.batch_is_symbolic) {
        fix_mixed_batch(graph, std::move(unfolded), folder.known());
    }
    std::erase_if(graph.nodes, [&folder](const Node& node) {
        return folder.known()[std::size_t(node.outputs[0])] && !folder.stays(node);
    });
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
