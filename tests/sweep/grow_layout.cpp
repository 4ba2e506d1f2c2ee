#include <algorithm>
#include <limits>
#include <numeric>

#include "sweep/grow.h"

namespace sluice::sweep {
namespace {

constexpr std::int64_t most_elements = 8192;

/// An axis after the batch.
std::int64_t draw_axis(Net& net, const Shape& shape) {
    return net.random.between(1, std::int64_t(shape.size()) - 1);
}

/// Counted from the front or from the end.
std::int64_t either_way(Net& net, std::int64_t axis, const Shape& shape) {
    return net.random.chance(0.5) ? axis : axis - std::int64_t(shape.size());
}

/// Splits the elements of an image into 1 to 3 extents.
Shape draw_extents(Random& random, std::int64_t elements) {
    Shape extents;
    while (extents.size() < 2 && random.chance(0.6)) {
        std::vector<std::int64_t> divisors;
        for (std::int64_t d = 1; d <= elements; ++d) {
            if (elements % d == 0) {
                divisors.push_back(d);
            }
        }
        extents.push_back(random.pick(divisors));
        elements /= extents.back();
    }
    extents.push_back(elements);
    std::rotate(extents.begin(),
                extents.begin() + random.between(0, std::int64_t(extents.size()) - 1),
                extents.end());
    return extents;
}

ValueId squeeze_or_unsqueeze(Net& net, ValueId x) {
    const Shape shape = net.shape(x);
    for (std::size_t axis = 1; axis < shape.size(); ++axis) {
        if (shape[axis] == 1 && shape.size() > 2) {
            return net.node(Op::squeeze,
                            {x, net.ints({either_way(net, std::int64_t(axis), shape)})});
        }
    }
    return shape.size() < 4
               ? net.node(Op::unsqueeze,
                          {x, net.ints({net.random.between(1, std::int64_t(shape.size()))})})
               : no_value;
}

}  // namespace

ValueId grow_concat(Net& net, ValueId x) {
    const Shape shape = net.shape(x);
    const std::int64_t axis = draw_axis(net, shape);
    const auto fits = [&](Shape other) {
        if (other.size() != shape.size()) {
            return false;
        }
        other[std::size_t(axis)] = shape[std::size_t(axis)];
        return other == shape;
    };
    std::vector<ValueId> parts = {x};
    std::int64_t elements = element_count(shape);
    for (int tries = 0; tries < 6 && parts.size() < 3; ++tries) {
        const ValueId other = pick_value(net);
        if (fits(net.shape(other)) && elements < most_elements) {
            parts.push_back(other);
            elements += element_count(net.shape(other));
        }
    }
    std::rotate(parts.begin(),
                parts.begin() + net.random.between(0, std::int64_t(parts.size()) - 1), parts.end());
    return net.node(Op::concat, parts, {{"axis", either_way(net, axis, shape)}});
}

ValueId grow_slice(Net& net, ValueId x) {
    Random& random = net.random;
    const Shape shape = net.shape(x);
    Shape starts, ends, axes, steps;
    for (std::int64_t axis = 1; axis < std::int64_t(shape.size()); ++axis) {
        if (random.chance(0.5)) {
            continue;
        }
        const std::int64_t extent = shape[std::size_t(axis)];
        const std::int64_t first = random.between(0, extent - 1);
        const std::int64_t last = random.between(first, extent - 1);
        const std::int64_t step = random.chance(0.6) ? 1 : random.between(1, 3);
        const bool is_reversed = random.chance(0.2);
        const bool is_open = random.chance(0.3);
        axes.push_back(either_way(net, axis, shape));
        steps.push_back(is_reversed ? -step : step);
        if (is_reversed) {  // an end before the first element is -1 - extent
            starts.push_back(last);
            ends.push_back(first == 0 || is_open ? -1 - extent : first - 1);
        } else {
            starts.push_back(random.chance(0.3) ? first - extent : first);
            ends.push_back(is_open ? std::numeric_limits<std::int64_t>::max() : last + 1);
        }
    }
    if (axes.empty()) {
        return no_value;
    }
    return net.node(Op::slice,
                    {x, net.ints(starts), net.ints(ends), net.ints(axes), net.ints(steps)});
}

ValueId grow_pad(Net& net, ValueId x) {
    Random& random = net.random;
    const Shape shape = net.shape(x);
    const std::size_t rank = shape.size();
    Shape pads(2 * rank, 0);
    const bool crops = random.chance(0.5);
    for (std::size_t axis = 1; axis < rank; ++axis) {
        if (random.chance(0.4)) {
            continue;
        }
        const std::int64_t extent = shape[axis];
        // At least one element stays, of the input or of the pad.
        pads[axis] = random.between(crops ? 1 - extent : 0, 3);
        pads[rank + axis] = random.between(crops ? 1 - extent - pads[axis] : 0, 3);
        pads[rank + axis] = std::max(pads[rank + axis], 1 - extent);
        pads[axis] = std::max(pads[axis], 1 - extent - pads[rank + axis]);
    }
    std::vector<ValueId> inputs = {x, net.ints(pads)};
    if (random.chance(0.5)) {
        inputs.push_back(net.scalar(random.chance(0.3) ? 0 : random.uniform(-1, 1)));
    }
    return net.node(Op::pad, inputs);
}

ValueId grow_transpose(Net& net, ValueId x) {
    Shape order(net.shape(x).size());
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t axis = order.size() - 1; axis > 1; --axis) {
        std::swap(order[axis], order[std::size_t(net.random.between(1, std::int64_t(axis)))]);
    }
    return net.node(Op::transpose, {x}, {{"perm", order}});
}

ValueId grow_reshape(Net& net, ValueId x) {
    Random& random = net.random;
    const Shape shape = net.shape(x);
    if (random.chance(0.2)) {
        return net.node(Op::flatten, {x}, {{"axis", either_way(net, 1, shape)}});
    }
    if (random.chance(0.3)) {
        return squeeze_or_unsqueeze(net, x);
    }
    Shape target = draw_extents(random, element_count(shape) / shape[0]);
    target.insert(target.begin(), 0);
    if (random.chance(0.5)) {
        target[std::size_t(random.between(0, std::int64_t(target.size()) - 1))] = -1;
    }
    return net.node(Op::reshape, {x, net.ints(target)});
}

ValueId grow_expand(Net& net, ValueId x) {
    Shape target = net.shape(x);
    target[0] = 1;
    for (std::size_t axis = 1; axis < target.size(); ++axis) {
        target[axis] = target[axis] == 1 && element_count(net.shape(x)) < 1000
                           ? net.random.between(1, 7)
                           : target[axis];
    }
    return net.node(Op::expand, {x, net.ints(target)});
}

ValueId grow_alias(Net& net, ValueId x) {
    ValueId y = no_value;
    switch (net.random.between(0, 2)) {
        case 0:
            y = net.node(Op::identity, {x});
            break;
        case 1:
            y = net.node(Op::cast, {x}, {{"to", std::int64_t{1}}});
            break;
        default:
            y = net.node(Op::identity, {x}, {}, "Dropout");
    }
    if (net.random.chance(0.5)) {
        net.output(y);
    }
    return y;
}

}  // namespace sluice::sweep
