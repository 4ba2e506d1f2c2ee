#include "passes/expand_operators.h"

#include <algorithm>
#include <optional>

#include "graph/shapes.h"
#include "passes/edit.h"
#include "passes/passes.h"

namespace sluice {
namespace {

/// The one number of a constant input; none where there is none.
std::optional<float> number_of(const Graph& graph, ValueId id) {
    const Constant* constant = graph.constant(id);
    const bool is_one =
        constant != nullptr && constant->is_float() && constant->floats().size() == 1;
    return is_one ? std::optional(constant->floats()[0]) : std::nullopt;
}

/// Sum, Mean, Max or Min of any number of inputs, those of the image first.
bool several(NodeWriter& w, const Node& node) {
    const bool averages = node.op == Op::mean;
    const Op op = averages || node.op == Op::sum ? Op::add : node.op;
    std::vector<ValueId> inputs = node.inputs;
    std::stable_partition(inputs.begin(), inputs.end(),
                          [&w](ValueId id) { return w.graph().constant(id) == nullptr; });
    ValueId sum = inputs[0];
    for (std::size_t i = 1; i + 1 < inputs.size(); ++i) {
        sum = w.add(node, op, {sum, inputs[i]});
    }
    if (inputs.size() == 1) {
        w.close(node, Op::identity, {sum});
    } else if (!averages) {
        w.close(node, op, {sum, inputs.back()});
    } else {
        sum = w.add(node, op, {sum, inputs.back()});
        w.close(node, Op::mul, {sum, w.scalar(node, 1.0F / float(inputs.size()))});
    }
    return true;
}

/// Powers that products give.
bool small_power(NodeWriter& w, const Node& node) {
    const ValueId x = node.inputs[0];
    const auto exponent = number_of(w.graph(), node.inputs[1]);
    if (!exponent || shape_of(w.graph(), x) != shape_of(w.graph(), node.outputs[0])) {
        return false;
    }
    if (*exponent == 1) {
        w.close(node, Op::identity, {x});
    } else if (*exponent == 2) {
        w.close(node, Op::mul, {x, x});
    } else if (*exponent == 3) {
        w.close(node, Op::mul, {w.add(node, Op::mul, {x, x}), x});
    } else {
        return false;
    }
    return true;
}

/// alpha * elu(x / alpha).
bool celu(NodeWriter& w, const Node& node) {
    const float alpha = w.graph().float_attribute(node, "alpha", 1);
    const ValueId small = w.add(node, Op::div, {node.inputs[0], w.scalar(node, alpha)});
    w.close(node, Op::mul, {w.add(node, Op::elu, {small}), w.scalar(node, alpha)});
    return true;
}

bool split(NodeWriter& w, const Node& node) {
    const auto ranges = split_ranges(w.graph(), node);
    if (!ranges.ok()) {
        return false;
    }
    const std::size_t rank = ranges->size();
    const std::int64_t axis = w.graph().int_attribute(node, "axis", 0);
    const SliceRange& range = ranges.value()[*normalize_axis(axis, rank)];
    w.close(node, Op::slice,
            {node.inputs[0], w.ints(node, {range.start}), w.ints(node, {range.start + range.count}),
             w.ints(node, {axis})});
    return true;
}

/// Axis by axis: an extent of 1 is expanded, another joined with itself.
bool tile(NodeWriter& w, const Node& node) {
    constexpr std::int64_t most_parts = 64;
    const auto repeats = constant_ints(w.graph(), node, 1);
    const Shape from = w.shape(node.inputs[0]);
    Shape expanded = from;
    for (std::size_t axis = 0; axis < from.size(); ++axis) {
        expanded[axis] *= from[axis] == 1 ? (*repeats)[axis] : 1;
        if (from[axis] != 1 && (*repeats)[axis] > most_parts) {
            return false;
        }
    }
    ValueId x = node.inputs[0];
    if (expanded != from) {
        x = w.add(node, Op::expand, {x, w.ints(node, expanded)});
    }
    for (std::size_t axis = 0; axis < from.size(); ++axis) {
        if (from[axis] != 1 && (*repeats)[axis] != 1) {
            x = w.add(node, Op::concat, std::vector<ValueId>(std::size_t((*repeats)[axis]), x),
                      {{"axis", std::int64_t(axis)}});
        }
    }
    w.close(node, Op::identity, {x});
    return true;
}

/// x - max - log(sum(exp(x - max))).
bool log_softmax(NodeWriter& w, const Node& node) {
    const ValueId axes = w.ints(node, {w.graph().int_attribute(node, "axis", -1)});
    const ValueId peak = w.add(node, Op::reduce_max, {node.inputs[0], axes});
    const ValueId below = w.add(node, Op::sub, {node.inputs[0], peak});
    const ValueId sum = w.add(node, Op::reduce_sum, {w.add(node, Op::exp, {below}), axes});
    w.close(node, Op::sub, {below, w.add(node, Op::log, {sum})});
    return true;
}

/// Before opset 13 Softmax ran over all axes from `axis` on, as one.
bool flattened_softmax(NodeWriter& w, const Node& node) {
    const Shape x = w.shape(node.inputs[0]);
    const std::int64_t axis = w.graph().int_attribute(node, "axis", 1);
    const auto split = x.begin() + std::ptrdiff_t(*normalize_axis(axis, x.size()));
    const auto behind_batch = x.begin() + (split == x.begin() ? 0 : 1);
    const Shape flat = {element_count(Shape(x.begin(), behind_batch)),
                        element_count(Shape(behind_batch, split)),
                        element_count(Shape(split, x.end()))};
    const ValueId rows = w.add(node, Op::reshape, {node.inputs[0], w.ints(node, flat)});
    ValueId y = no_value;
    if (node.op == Op::softmax) {
        y = w.add(node, Op::softmax, {rows}, {{"axis", std::int64_t{2}}});
    } else {
        Node plain = node;
        Value value;
        value.name = node.name + ".rows";
        plain.inputs = {rows};
        plain.attributes = {{"axis", std::int64_t{2}}};
        plain.outputs = {w.add_value(std::move(value))};
        log_softmax(w, plain);
        y = plain.outputs[0];
    }
    w.close(node, Op::reshape, {y, w.ints(node, x)});
    return true;
}

bool softmax(NodeWriter& w, const Node& node) {
    const std::size_t rank = w.shape(node.inputs[0]).size();
    const bool is_flattened = w.graph().int_attribute(node, "flattened", 0) != 0;
    if (is_flattened) {
        const auto axis = normalize_axis(w.graph().int_attribute(node, "axis", 1), rank);
        if (*axis + 1 < rank) {
            return flattened_softmax(w, node);
        }
        if (node.op == Op::softmax) {
            w.close(node, Op::softmax, {node.inputs[0]}, {{"axis", std::int64_t{-1}}});
            return true;
        }
    }
    return node.op == Op::log_softmax && log_softmax(w, node);
}

/// The mean of [N, C, ...] over any number of extents but two.
bool global_average_pool(NodeWriter& w, const Node& node) {
    const std::size_t rank = w.shape(node.inputs[0]).size();
    if (rank == 4) {
        return false;
    }
    std::vector<std::int64_t> axes;
    for (std::size_t axis = 2; axis < rank; ++axis) {
        axes.push_back(std::int64_t(axis));
    }
    w.close(node, Op::reduce_mean, {node.inputs[0], w.ints(node, axes)});
    return true;
}

bool global_max_pool(NodeWriter& w, const Node& node) {
    const Shape x = w.shape(node.inputs[0]);
    const Shape window(x.begin() + 2, x.end());
    w.close(node, Op::max_pool, {node.inputs[0]}, {{"kernel_shape", window}});
    return true;
}

/// The rows that constant indices pick of a computed value: slices, and a Concat of them where the
/// indices are not in steps. Indices below 0 count from the end.
bool gather(NodeWriter& w, const Node& node) {
    constexpr std::size_t most_parts = 64;
    const Shape x = w.shape(node.inputs[0]), y = w.shape(node.outputs[0]);
    const auto axis = normalize_axis(w.graph().int_attribute(node, "axis", 0), x.size());
    auto indices = constant_ints(w.graph(), node, 1);
    if (w.graph().constant(node.inputs[0]) != nullptr || !indices || indices->empty()) {
        return false;
    }
    for (std::int64_t& index : *indices) {
        index += index < 0 ? x[*axis] : 0;
        if (index < 0 || index >= x[*axis]) {
            return false;
        }
    }
    std::vector<ValueId> parts;
    for (std::size_t first = 0; first < indices->size() && parts.size() <= most_parts;) {
        const std::int64_t start = (*indices)[first];
        std::size_t end = first + 1;
        while (end < indices->size() && (*indices)[end] == start + std::int64_t(end - first)) {
            ++end;
        }
        const bool is_all = start == 0 && std::int64_t(end - first) == x[*axis];
        parts.push_back(is_all ? node.inputs[0]
                               : w.add(node, Op::slice,
                                       {node.inputs[0], w.ints(node, {start}),
                                        w.ints(node, {start + std::int64_t(end - first)}),
                                        w.ints(node, {std::int64_t(*axis)})}));
        first = end;
    }
    if (parts.size() > most_parts) {
        return false;
    }
    const ValueId picked = parts.size() == 1
                               ? parts[0]
                               : w.add(node, Op::concat, parts, {{"axis", std::int64_t(*axis)}});
    w.close(node, Op::reshape, {picked, w.ints(node, y)});
    return true;
}

/// The root of the sum of squares.
bool reduce_l2(NodeWriter& w, const Node& node) {
    std::vector<ValueId> inputs = node.inputs;
    inputs[0] = w.add(node, Op::mul, {inputs[0], inputs[0]});
    const ValueId sum = w.add(node, Op::reduce_sum, inputs, node.attributes);
    w.close(node, Op::sqrt, {sum});
    return true;
}

bool expand(NodeWriter& w, const Node& node) {
    switch (node.op) {
        case Op::max:
        case Op::min:
        case Op::mean:
        case Op::sum:
            return several(w, node);
        case Op::neg:
            w.close(node, Op::mul, {node.inputs[0], w.scalar(node, -1)});
            return true;
        case Op::reciprocal:
            w.close(node, Op::div, {w.scalar(node, 1), node.inputs[0]});
            return true;
        case Op::pow:
            return small_power(w, node);
        case Op::celu:
            return celu(w, node);
        case Op::split:
            return split(w, node);
        case Op::tile:
            return tile(w, node);
        case Op::softmax:
        case Op::log_softmax:
            return softmax(w, node);
        case Op::global_average_pool:
            return global_average_pool(w, node);
        case Op::global_max_pool:
            return global_max_pool(w, node);
        case Op::gather:
            return gather(w, node);
        case Op::reduce_l2:
            return reduce_l2(w, node);
        default:
            return expand_normalization(w, node);
    }
}

/// A Reshape of what another has taken the batch from reads what that one reads.
void join_reshapes(Graph& graph) {
    std::vector<ValueId> sources(graph.values.size(), no_value);
    for (Node& node : graph.nodes) {
        if (node.op != Op::reshape) {
            continue;
        }
        ValueId& x = node.inputs[0];
        const Shape& flat = graph.values[std::size_t(x)].shape;
        const ValueId source = sources[std::size_t(x)];
        const Shape& y = graph.values[std::size_t(node.outputs[0])].shape;
        if (source != no_value && (flat.empty() || flat[0] != graph.batch)) {
            Value target;
            target.name = node.name + ".extents";
            target.shape = {std::int64_t(y.size())};
            target.shape_known = true;
            target.type = ElementType::int64;
            target.constant = std::make_shared<const Constant>(Constant{target.shape, y});
            node.inputs = {source, graph.add_value(std::move(target))};
            node.attributes.clear();
        }
        sources[std::size_t(node.outputs[0])] = node.inputs[0];
    }
    remove_dead_nodes(graph);
}

}  // namespace

Status expand_operators(Graph& graph) {
    std::vector<Node> nodes = std::exchange(graph.nodes, {});
    NodeWriter writer(graph);
    for (Node& node : nodes) {
        if (!expand(writer, node)) {
            writer.keep(std::move(node));
        }
    }
    SLUICE_RETURN_IF_ERROR(writer.finish());
    join_reshapes(graph);
    return {};
}

}  // namespace sluice
