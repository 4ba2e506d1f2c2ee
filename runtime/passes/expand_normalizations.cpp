#include <algorithm>
#include <cmath>
#include <numeric>

#include "graph/shapes.h"
#include "passes/expand_operators.h"

namespace sluice {
namespace {

/// (x - mean) / sqrt(variance + epsilon) over the axes from `first` on.
ValueId standardised(NodeWriter& w, const Node& node, ValueId x, std::size_t first) {
    std::vector<std::int64_t> numbers(w.shape(x).size() - first);
    std::iota(numbers.begin(), numbers.end(), std::int64_t(first));
    const ValueId axes = w.ints(node, numbers);
    const ValueId mean = w.add(node, Op::reduce_mean, {x, axes});
    const ValueId away = w.add(node, Op::sub, {x, mean});
    const ValueId square = w.add(node, Op::mul, {away, away});
    const ValueId variance = w.add(node, Op::reduce_mean, {square, axes});
    const float epsilon = w.graph().float_attribute(node, "epsilon", 1e-5F);
    const ValueId held = w.add(node, Op::add, {variance, w.scalar(node, epsilon)});
    const ValueId deviation = w.add(node, Op::sqrt, {held});
    return w.add(node, Op::div, {away, deviation});
}

/// The last product and sum; a bias that is left out is none.
void scale_and_shift(NodeWriter& w, const Node& node, ValueId x, ValueId scale, ValueId shift) {
    if (shift == no_value) {
        w.close(node, Op::mul, {x, scale});
        return;
    }
    w.close(node, Op::add, {w.add(node, Op::mul, {x, scale}), shift});
}

/// A vector of one number per channel, or per group of them, as it broadcasts to [N, C, ...]; none
/// where it is no constant.
ValueId per_channel(NodeWriter& w, const Node& node, ValueId id, const Shape& x) {
    const Constant* vector = w.graph().constant(id);
    if (vector == nullptr || !vector->is_float()) {
        return no_value;
    }
    Shape shape(x.size() - 1, 1);
    shape[0] = x[1];
    const std::size_t count = vector->floats().size(), each = std::size_t(x[1]) / count;
    std::vector<float> values;
    values.resize(std::size_t(x[1]));
    for (std::size_t c = 0; c < values.size(); ++c) {
        values[c] = vector->floats()[c / each];
    }
    return w.floats(node, std::move(shape), std::move(values));
}

bool layer(NodeWriter& w, const Node& node) {
    const std::int64_t number = w.graph().int_attribute(node, "axis", -1);
    const auto axis = normalize_axis(number, w.shape(node.inputs[0]).size());
    const ValueId shift = node.inputs.size() > 2 ? node.inputs[2] : no_value;
    scale_and_shift(w, node, standardised(w, node, node.inputs[0], *axis), node.inputs[1], shift);
    return true;
}

bool channels(NodeWriter& w, const Node& node) {
    const Shape x = w.shape(node.inputs[0]);
    const ValueId scale = per_channel(w, node, node.inputs[1], x);
    const ValueId shift = per_channel(w, node, node.inputs[2], x);
    if (scale == no_value || shift == no_value) {
        return false;
    }
    if (node.op == Op::instance_normalization) {
        scale_and_shift(w, node, standardised(w, node, node.inputs[0], 2), scale, shift);
        return true;
    }
    const std::int64_t groups = w.graph().int_attribute(node, "num_groups", 1);
    const std::int64_t each = element_count(x) / x[0] / groups;
    const ValueId grouped =
        w.add(node, Op::reshape, {node.inputs[0], w.ints(node, {x[0], groups, each})});
    const ValueId unit = standardised(w, node, grouped, 2);
    const ValueId back = w.add(node, Op::reshape, {unit, w.ints(node, x)});
    scale_and_shift(w, node, back, scale, shift);
    return true;
}

/// t^beta, by square roots where those give it.
ValueId power(NodeWriter& w, const Node& node, ValueId t, float beta) {
    if (beta == 1) {
        return t;
    }
    if (beta != 0.5F && beta != 0.75F) {
        return w.add(node, Op::pow, {t, w.scalar(node, beta)});
    }
    const ValueId root = w.add(node, Op::sqrt, {t});
    return beta == 0.5F ? root : w.add(node, Op::mul, {root, w.add(node, Op::sqrt, {root})});
}

/// x / (bias + alpha / size * (sum of squares over `size` channels))^beta. The sum is a 1x1
/// convolution whose weights are a band.
bool across_channels(NodeWriter& w, const Node& node) {
    const ValueId x = node.inputs[0];
    const Shape shape = w.shape(x);
    if (shape.size() != 4) {
        return false;
    }
    const Graph& graph = w.graph();
    const std::int64_t size = graph.int_attribute(node, "size", 1), count = shape[1];
    const float alpha = graph.float_attribute(node, "alpha", 1e-4F);
    std::vector<float> band(std::size_t(count * count), 0);
    for (std::int64_t k = 0; k < count; ++k) {
        const std::int64_t first = std::max(k - (size - 1) / 2, std::int64_t{0});
        const std::int64_t last = std::min(k + size / 2, count - 1);
        std::fill_n(band.begin() + k * count + first, last - first + 1, alpha / float(size));
    }
    const ValueId weights = w.floats(node, {count, count, 1, 1}, std::move(band));
    const float bias = graph.float_attribute(node, "bias", 1);
    const ValueId biases = w.floats(node, {count}, std::vector<float>(std::size_t(count), bias));
    const ValueId sums = w.add(node, Op::conv, {w.add(node, Op::mul, {x, x}), weights, biases});
    w.close(node, Op::div, {x, power(w, node, sums, graph.float_attribute(node, "beta", 0.75F))});
    return true;
}

}  // namespace

bool expand_normalization(NodeWriter& writer, const Node& node) {
    switch (node.op) {
        case Op::layer_normalization:
            return layer(writer, node);
        case Op::instance_normalization:
        case Op::group_normalization:
            return channels(writer, node);
        case Op::lrn:
            return across_channels(writer, node);
        default:
            return false;
    }
}

}  // namespace sluice
