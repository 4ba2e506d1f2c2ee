#include <algorithm>
#include <cmath>

#include "graph/shapes.h"
#include "sweep/grow.h"
#include "sweep/layers.h"

namespace sluice::sweep {
namespace {

/// Values from 0.5 to 2, by which anything may be divided.
ValueId away_from_zero(Net& net, ValueId x) {
    return net.node(Op::clip, {x, net.scalar(0.5F), net.scalar(2)});
}

Op draw_operation(Random& random) {
    return random.pick<Op>({Op::add, Op::add, Op::sub, Op::mul, Op::mul, Op::div});
}

/// A shape that broadcasts to that of x without widening it.
Shape narrower(Random& random, const Shape& x) {
    Shape shape = x;
    shape[0] = 1;
    for (std::size_t axis = 1; axis < shape.size(); ++axis) {
        shape[axis] = random.chance(0.4) ? 1 : shape[axis];
    }
    // Leading extents of 1 may be left out; of all ones, all.
    const auto first = std::find_if(shape.begin(), shape.end(), [](auto e) { return e != 1; });
    shape.erase(shape.begin(), shape.begin() + random.between(0, first - shape.begin()));
    return shape;
}

/// One map, one row or the mean of every map of x: what broadcasts to its shape.
ValueId part_that_broadcasts(Net& net, ValueId x) {
    const Shape shape = net.shape(x);
    if (shape.size() == 4 && net.random.chance(0.3)) {
        return net.node(Op::global_average_pool, {x});
    }
    if (shape.size() == 4 && net.random.chance(0.5)) {
        Layer layer;
        return add_conv(net, x, layer);
    }
    const std::int64_t axis = net.random.between(1, std::int64_t(shape.size()) - 1);
    const std::int64_t at = net.random.between(0, shape[std::size_t(axis)] - 1);
    return net.node(Op::slice, {x, net.ints({at}), net.ints({at + 1}), net.ints({axis})});
}

/// A value that broadcasts with x, of the same rank.
ValueId partner(Net& net, ValueId x) {
    for (int tries = 0; tries < 8; ++tries) {
        const ValueId other = pick_value(net);
        const Shape &a = net.shape(x), &b = net.shape(other);
        const auto both = a.size() == b.size() ? broadcast_shapes(a, b) : std::nullopt;
        if (both && element_count(*both) <= 8192) {
            return other;
        }
    }
    return part_that_broadcasts(net, x);
}

}  // namespace

ValueId grow_activation(Net& net, ValueId x) { return add_activation(net, x); }

ValueId grow_batch_norm(Net& net, ValueId x) { return add_batch_norm(net, x); }

ValueId grow_with_constant(Net& net, ValueId x) {
    const Op op = draw_operation(net.random);
    const Shape shape = narrower(net.random, net.shape(x));
    const bool is_first = net.random.chance(0.4);
    const float sign = net.random.chance(0.5) ? 1.0F : -1.0F;
    const ValueId constant = net.random.chance(0.5) || op == Op::div
                                 ? net.constant(shape, sign * 0.5F, sign * 2)
                                 : net.constant(shape, -2, 2);
    if (!is_first) {
        return net.node(op, {x, constant});
    }
    return net.node(op, {constant, op == Op::div ? away_from_zero(net, x) : x});
}

ValueId grow_binary(Net& net, ValueId x) {
    const Op op = draw_operation(net.random);
    ValueId a = x, b = partner(net, x);
    if (net.random.chance(0.5)) {
        std::swap(a, b);
    }
    return net.node(op, {a, op == Op::div ? away_from_zero(net, b) : b});
}

ValueId grow_softmax(Net& net, ValueId x) {
    const auto rank = std::int64_t(net.shape(x).size());
    const float largest = net.largest(x);
    if (largest > 4) {  // of large logits, rounding decides
        x = net.node(Op::mul, {x, net.scalar(4 / largest)});
    }
    const std::int64_t axis = net.random.between(1, rank - 1);
    return net.node(Op::softmax, {x}, {{"axis", net.random.chance(0.5) ? axis : axis - rank}});
}

ValueId grow_linear(Net& net, ValueId x) {
    Random& random = net.random;
    const Shape shape = net.shape(x);
    if (shape.size() != 2) {
        return no_value;
    }
    const std::int64_t inputs = shape[1], outputs = random.between(1, 40);
    const float norm = 1.7F / std::sqrt(float(inputs));
    const Shape bias = random.pick<Shape>({{outputs}, {1, outputs}, {1}, {1, 1}});
    if (random.chance(0.4)) {
        const ValueId y = net.node(Op::mat_mul, {x, net.constant({inputs, outputs}, -norm, norm)});
        return random.chance(0.3) ? y : net.node(Op::add, {y, net.constant(bias, -1, 1)});
    }
    const bool is_turned = random.chance(0.5);
    std::vector<ValueId> operands = {
        x, net.constant(is_turned ? Shape{outputs, inputs} : Shape{inputs, outputs}, -norm, norm)};
    if (random.chance(0.7)) {
        operands.push_back(net.constant(bias, -1, 1));
    }
    AttributeMap attributes = {{"transB", std::int64_t(is_turned)}};
    if (random.chance(0.3)) {
        attributes["alpha"] = random.uniform(0.5F, 1.5F);
        attributes["beta"] = random.uniform(-1.5F, 1.5F);
    }
    return net.node(Op::gemm, operands, attributes);
}

}  // namespace sluice::sweep
