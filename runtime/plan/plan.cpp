#include "plan/plan.h"

#include <algorithm>
#include <cstring>

#include "graph/freed_memory.h"
#include "plan/lower.h"
#include "plan/refusal.h"

namespace sluice {
namespace {

using Lower = Status (*)(Builder&, const Node&);

Lower lowering_of(Op op) {
    switch (op) {
        case Op::fused_conv:
            return lower_fused_conv;
        case Op::affine:
            return lower_affine_node;
        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::div:
            return lower_binary;
        case Op::max_pool:
        case Op::average_pool:
            return lower_pool;
        case Op::global_average_pool:
            return lower_global_average_pool;
        case Op::gemm:
            return lower_gemm;
        case Op::softmax:
            return lower_softmax;
        case Op::reshape:
            return lower_reshape;
        case Op::transpose:
            return lower_transpose;
        case Op::slice:
            return lower_slice;
        case Op::pad:
            return lower_pad;
        case Op::concat:
            return lower_concat;
        case Op::expand:
            return lower_expand;
        case Op::resize:
            return lower_resize;
        case Op::identity:
        case Op::cast:
            return lower_identity;
        default:
            return nullptr;
    }
}

/// Every activation must begin with the batch, because the plan computes one picture at a time, and
/// hold something.
Status check_batch(const Graph& graph, const Node& node) {
    const Shape& shape = graph.values[std::size_t(node.outputs[0])].shape;
    if (shape.empty() || shape[0] != graph.batch) {
        const std::string batch = std::to_string(graph.batch);
        return error_at(graph, node,
                        "gives " + to_string(shape) + ", which does not begin with the batch of " +
                            batch + (graph.batch == 1 ? "" : ", or mixes its images"),
                        std::string("keep the batch as the first extent") +
                            (graph.batch == 1 ? "" : ", or export with a batch of 1"));
    }
    if (element_count(shape) == 0) {
        return error_at(graph, node, "gives " + to_string(shape) + ", which holds no element",
                        "export with extents of 1 or more");
    }
    return {};
}

/// Constants reach a kernel as weights, shapes or one side of arithmetic; elsewhere they would be
/// activations that nothing computes.
Status check_inputs(const Graph& graph, const Node& node) {
    const bool is_arithmetic =
        node.op == Op::add || node.op == Op::sub || node.op == Op::mul || node.op == Op::div;
    const bool all = node.op == Op::fused_conv || node.op == Op::concat;
    for (std::size_t i = 0; i < node.inputs.size() && !is_arithmetic; ++i) {
        if ((i == 0 || all) && node.inputs[i] != no_value &&
            graph.constant(node.inputs[i]) != nullptr) {
            return error_at(graph, node,
                            "reads a constant as its input " + std::to_string(i) +
                                ", where Sluice takes what depends on the model's input",
                            "replace it in the model");
        }
    }
    return {};
}

TensorInfo describe(const Graph& graph, ValueId id) {
    const Value& value = graph.values[std::size_t(id)];
    static const char* const picture[] = {"N", "C", "H", "W"};
    TensorInfo info{value.name, {}};
    for (std::size_t axis = 0; axis < value.shape.size(); ++axis) {
        Dimension dimension{value.shape.size() == 4 ? picture[axis] : "", value.shape[axis]};
        if (axis == 0) {
            dimension.name = graph.batch_name.empty() ? "N" : graph.batch_name;
            dimension.size = graph.batch_is_symbolic ? -1 : dimension.size;
        }
        info.shape.push_back(std::move(dimension));
    }
    return info;
}

/// Floats that are worth a call to give back.
constexpr std::size_t large_weights = std::size_t{1} << 18;

/// `graph` is the builder's.
Status lower_nodes(Builder& builder, Graph& graph) {
    for (Node& node : graph.nodes) {
        const Lower lower = lowering_of(node.op);
        if (lower == nullptr) {
            return refusal(graph, node);
        }
        SLUICE_RETURN_IF_ERROR(check_batch(builder.graph, node));
        SLUICE_RETURN_IF_ERROR(check_size(builder, node));
        SLUICE_RETURN_IF_ERROR(check_inputs(builder.graph, node));
        SLUICE_RETURN_IF_ERROR(lower(builder, node));
        // Packed now; beside the packed weights of the rest they would double the peak.
        if (node.fused_conv) {
            const bool is_large = node.fused_conv->weights->floats().size() >= large_weights;
            node.fused_conv->weights.reset();
            if (is_large) {
                return_freed_memory();
            }
        }
    }
    return {};
}

}  // namespace

Result<std::shared_ptr<const Plan>> make_plan(Graph graph, const Target& target,
                                              const PlanOptions& options) {
    Builder builder(graph, target, options);
    builder.plan.file = graph.file;
    builder.plan.target_id = target.id;
    builder.plan.batch_remark = graph.batch_remark;
    builder.plan.metadata = graph.metadata;
    SLUICE_RETURN_IF_ERROR(plan_inputs(builder));
    SLUICE_RETURN_IF_ERROR(lower_nodes(builder, graph));
    SLUICE_RETURN_IF_ERROR(plan_outputs(builder));
    SLUICE_RETURN_IF_ERROR(builder.finish());
    for (const ValueId id : graph.inputs) {
        builder.plan.inputs.push_back(describe(graph, id));
    }
    for (const ValueId id : graph.outputs) {
        builder.plan.outputs.push_back(describe(graph, id));
    }
    return std::make_shared<const Plan>(std::move(builder.plan));
}

std::string explain(const Plan& plan) {
    std::size_t node_width = 0, kernel_width = 0, shape_width = 0;
    for (const Step& step : plan.steps) {
        node_width = std::max(node_width, step.node.size());
        kernel_width = std::max(kernel_width, std::strlen(step.kernel->name));
        shape_width = std::max(shape_width, step.shape.size());
    }
    const auto pad = [](std::string text, std::size_t width) {
        text.resize(std::max(width, text.size()), ' ');
        return text + "  ";
    };
    std::string text =
        plan.file + ": target " + plan.target_id + ", " + std::to_string(plan.steps.size()) +
        " steps, " + std::to_string(plan.arena_bytes / 1024) + " KiB of activations, " +
        std::to_string(plan.constants.size() / 1024) + " KiB of weights, " +
        std::to_string(plan.macs) + " MACs and " + std::to_string(plan.branch_macs) +
        " of the branches" +
        (plan.batch_remark.empty() ? "" : ", one image a run: " + plan.batch_remark) + "\n";
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        const Step& step = plan.steps[i];
        std::string number = std::to_string(i);
        number.insert(0, 4 - std::min<std::size_t>(number.size(), 4), ' ');
        text += number + "  " + pad(step.node, node_width) + pad(step.kernel->name, kernel_width) +
                pad(step.shape, shape_width);
        if (step.macs_per_entry > 0) {
            const bool of_pairs = step.kernel->algorithm == Algorithm::sparse_conv;
            text += std::to_string(step.macs_per_entry) +
                    (of_pairs ? " MACs a pair  " : " MACs a position  ");
        } else if (step.macs > 0) {
            text += std::to_string(step.macs) + " MACs  ";
        }
        if (step.packed_bytes > 0) {
            text += std::to_string(step.packed_bytes) + " B packed  ";
        }
        text += step.remark;
        text.erase(text.find_last_not_of(' ') + 1);
        text += "\n";
    }
    return text;
}

}  // namespace sluice
