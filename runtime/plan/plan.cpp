#include "plan/plan.h"

#include <algorithm>
#include <iterator>

#include "graph/freed_memory.h"
#include "plan/lower.h"
#include "plan/refusal.h"

namespace sluice {
namespace {

using Lower = Result<Lowered> (*)(Planner&, const Node&);

Lower lowering_of(Op op) {
    switch (op) {
        case Op::fused_conv:
            return lower_fused_conv;
        case Op::affine:
            return lower_affine;
        case Op::activation:
            return lower_activation;
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
        case Op::depth_to_space:
        case Op::space_to_depth:
            return lower_depth_to_space;
        case Op::mat_mul:
            return lower_mat_mul;
        case Op::reduce_max:
        case Op::reduce_mean:
        case Op::reduce_min:
        case Op::reduce_sum:
            return lower_reduce;
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
        case Op::quantize_linear:
            return lower_quantize;
        case Op::dequantize_linear:
            return lower_dequantize;
        default:
            return is_binary(op) ? lower_binary : nullptr;
    }
}

/// Every activation must begin with the batch, because the plan computes one image at a time, and
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
    const bool all = node.op == Op::fused_conv || node.op == Op::concat;
    const bool takes_constants = is_binary(node.op) || node.op == Op::mat_mul;
    for (std::size_t i = 0; i < node.inputs.size() && !takes_constants; ++i) {
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

/// Fails where an algorithm that has a kernel for any shape has none in this build.
Status check_kernels(const Graph& graph, const Target& target) {
    for (int algorithm = 0; algorithm < algorithm_count; ++algorithm) {
        const bool is_specialised = Algorithm(algorithm) == Algorithm::winograd_conv ||
                                    Algorithm(algorithm) == Algorithm::sparse_conv;
        if (!is_specialised && find_kernel(Algorithm(algorithm), target) == nullptr) {
            return Status(Problem{graph.file,
                                  {},
                                  "this build lacks kernels for " + std::string(target.id),
                                  "choose another target"});
        }
    }
    return {};
}

TensorInfo describe(const Graph& graph, ValueId id) {
    const Value& value = graph.values[std::size_t(id)];
    static const char* const image[] = {"N", "C", "H", "W"};
    TensorInfo info{value.name, {}};
    if (value.type == ElementType::uint8) {
        info.type = value.is_int8_outside ? DataType::int8 : DataType::uint8;
    }
    for (std::size_t axis = 0; axis < value.shape.size(); ++axis) {
        Dimension dimension{value.shape.size() == 4 ? image[axis] : "", value.shape[axis]};
        if (axis == 0) {
            dimension.name = graph.batch_name.empty() ? "N" : graph.batch_name;
            dimension.size = graph.batch_is_symbolic ? -1 : dimension.size;
        }
        info.shape.push_back(std::move(dimension));
    }
    return info;
}

/// Lets go of what nothing reads once the node is lowered: beside the packed weights of the rest it
/// would double the peak. `graph` is the planner's.
void drop_weights(const Planner& planner, Graph& graph, Node& node) {
    constexpr std::size_t large = std::size_t{1} << 18;  // worth a call to give back
    std::size_t dropped = 0;
    const auto drop = [&dropped](std::shared_ptr<const Constant>& constant) {
        dropped += constant->is_float()  ? constant->floats().size()
                   : constant->is_int8() ? constant->int8s().size() / sizeof(float)
                                         : 0;
        constant.reset();
    };
    if (node.fused_conv) {
        drop(node.fused_conv->weights);
    }
    for (const ValueId id : node.inputs) {
        if (graph.constant(id) != nullptr && planner.is_last_reader(node, id)) {
            drop(graph.values[std::size_t(id)].constant);
        }
    }
    if (dropped >= large) {
        return_freed_memory();
    }
}

/// Puts what lowering made of a node at the end of the plan.
void add_to_plan(Planner& planner, Plan& plan, ValueId id, Lowered lowered) {
    const std::size_t first = plan.steps.size();
    planner.layouts.set(id, std::move(lowered.output));
    for (PlannedGate& gate : lowered.gates) {
        gate.source.step += first;
        plan.gates.push_back(std::move(gate.info));
        plan.gate_sources.push_back(std::move(gate.source));
    }
    plan.macs += lowered.macs;
    plan.branch_macs += lowered.branch_macs;
    std::move(lowered.steps.begin(), lowered.steps.end(), std::back_inserter(plan.steps));
}

/// `graph` is the planner's.
Status lower_nodes(Planner& planner, Graph& graph, Plan& plan) {
    for (Node& node : graph.nodes) {
        const Lower lower = lowering_of(node.op);
        if (lower == nullptr) {
            return refusal(graph, node);
        }
        SLUICE_RETURN_IF_ERROR(check_batch(graph, node));
        SLUICE_RETURN_IF_ERROR(check_size(planner, node));
        SLUICE_RETURN_IF_ERROR(check_inputs(graph, node));
        auto lowered = lower(planner, node);
        if (!lowered.ok()) {
            return lowered.status();
        }
        add_to_plan(planner, plan, node.outputs[0], std::move(lowered).value());
        drop_weights(planner, graph, node);
    }
    return {};
}

Status lower_graph(Planner& planner, Graph& graph, Plan& plan) {
    for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
        auto input = lower_input(planner, i);
        if (!input.ok()) {
            return input.status();
        }
        add_to_plan(planner, plan, graph.inputs[i], std::move(input).value());
    }
    SLUICE_RETURN_IF_ERROR(lower_nodes(planner, graph, plan));
    for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
        SLUICE_RETURN_IF_ERROR(append(plan.steps, lower_output(planner, i)));
    }
    return {};
}

/// Gives the arena's blocks their places, now that all steps stand.
void place_arena(Arena& arena, Plan& plan) {
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        for_each_buffer(plan.steps[i], [&](const Buffer& buffer, int) { arena.use(buffer, i); });
    }
    // What runs in turns is alive together.
    for (const Chain& chain : plan.chains) {
        for (std::size_t i = chain.first; i <= chain.last; ++i) {
            for_each_buffer(plan.steps[i], [&](const Buffer& buffer, int) {
                arena.use(buffer, chain.first);
                arena.use(buffer, chain.last);
            });
        }
    }
    // Gates are read after their layers, and their counts after the run.
    for (const GateSource& source : plan.gate_sources) {
        arena.use(source.values, source.step);
        for (const Buffer& count : source.counts) {
            arena.use(count, plan.steps.size());
        }
    }
    plan.arena_bytes = std::size_t(arena.place());
    plan.presets = arena.presets();
    const auto settle = [&arena](Buffer& buffer) { arena.settle(buffer); };
    for (Step& step : plan.steps) {
        for_each_buffer(step, [&](Buffer& buffer, int) { settle(buffer); });
    }
    for (GateSource& source : plan.gate_sources) {
        settle(source.values);
        std::for_each(source.counts.begin(), source.counts.end(), settle);
    }
}

}  // namespace

Result<std::shared_ptr<const Plan>> make_plan(Graph graph, const Target& target,
                                              const PlanOptions& options) {
    SLUICE_RETURN_IF_ERROR(check_kernels(graph, target));
    Planner planner(graph, target, options);
    Plan plan;
    plan.file = graph.file;
    plan.target_id = target.id;
    plan.batch_remark = graph.batch_remark;
    plan.metadata = graph.metadata;
    SLUICE_RETURN_IF_ERROR(lower_graph(planner, graph, plan));
    plan.chains = find_chains(plan.steps, options.cache_bytes);
    place_arena(planner.arena, plan);
    plan.constants = planner.constants.take();
    if (plan.constants.data() == nullptr) {
        return Status(Problem{
            graph.file, {}, "there is no memory for its packed weights", "close other programs"});
    }
    for (const ValueId id : graph.inputs) {
        plan.inputs.push_back(describe(graph, id));
    }
    for (const ValueId id : graph.outputs) {
        plan.outputs.push_back(describe(graph, id));
    }
    return std::make_shared<const Plan>(std::move(plan));
}

}  // namespace sluice
