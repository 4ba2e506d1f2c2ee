#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/index.h"
#include "reference/operators.h"

namespace sluice::reference {

Tensor reduce(Reduction reduction, const Tensor& x, const std::vector<int>& axes) {
    Shape shape = x.shape;
    double count = 1;
    for (const int axis : axes) {
        count *= double(shape[std::size_t(axis)]);
        shape[std::size_t(axis)] = 1;
    }
    const double infinity = std::numeric_limits<double>::infinity();
    const bool is_max = reduction == Reduction::max, is_min = reduction == Reduction::min;
    std::vector<double> results(std::size_t(element_count(shape)), is_max   ? -infinity
                                                                   : is_min ? infinity
                                                                            : 0);
    for_each_index(x.shape, [&](const Shape& at) {
        Shape to = at;
        for (const int axis : axes) {
            to[std::size_t(axis)] = 0;
        }
        const double value = x.data[offset(x.shape, at)];
        double& result = results[offset(shape, to)];
        const bool is_better = (is_max && value > result) || (is_min && value < result);
        if (is_max || is_min) {
            result = std::isnan(value) || is_better ? value : result;
        } else {
            result += value;
        }
    });
    Tensor y = zeros(shape);
    std::transform(results.begin(), results.end(), y.data.begin(), [&](double result) {
        return float(reduction == Reduction::mean ? result / count : result);
    });
    return y;
}

Tensor mat_mul(const Tensor& a, const Tensor& b) {
    const std::size_t rank = std::max(a.shape.size(), b.shape.size());
    const auto widened = [rank](const Tensor& t) {
        Shape shape(rank - t.shape.size(), 1);
        shape.insert(shape.end(), t.shape.begin(), t.shape.end());
        return shape;
    };
    const Shape left = widened(a), right = widened(b);
    Shape shape = left;
    for (std::size_t axis = 0; axis + 2 < rank; ++axis) {
        shape[axis] = std::max(left[axis], right[axis]);
    }
    shape[rank - 1] = right[rank - 1];
    const auto at_broadcast = [rank](const Shape& own, Shape at) {
        for (std::size_t axis = 0; axis + 2 < rank; ++axis) {
            at[axis] = own[axis] == 1 ? 0 : at[axis];
        }
        return offset(own, at);
    };
    Tensor y = zeros(shape);
    for_each_index(shape, [&](const Shape& at) {
        double sum = 0;
        Shape in_a = at, in_b = at;
        for (std::int64_t i = 0; i < left[rank - 1]; ++i) {
            in_a[rank - 1] = in_b[rank - 2] = i;
            sum += double(a.data[at_broadcast(left, in_a)]) * b.data[at_broadcast(right, in_b)];
        }
        y.data[offset(shape, at)] = float(sum);
    });
    return y;
}

Tensor linear(const Tensor& x, const Tensor& weights, const std::vector<float>& bias) {
    const std::int64_t inputs = x.shape[1];
    Tensor y = zeros({x.shape[0], weights.shape[0]});
    for_each_index(y.shape, [&](const Shape& at) {
        double sum = bias[std::size_t(at[1])];
        for (std::int64_t i = 0; i < inputs; ++i) {
            sum += double(x.data[offset(x.shape, {at[0], i})]) *
                   weights.data[offset(weights.shape, {at[1], i})];
        }
        y.data[offset(y.shape, at)] = float(sum);
    });
    return y;
}

Tensor softmax(const Tensor& x, int axis) {
    const std::size_t along = std::size_t(axis < 0 ? axis + int(x.shape.size()) : axis);
    Tensor y = zeros(x.shape);
    for_each_index(x.shape, [&](Shape at) {
        const double own = x.data[offset(x.shape, at)];
        const std::size_t i = offset(y.shape, at);
        double sum = 0;  // of exp(other - own): 1 / softmax, which no large logit overflows to NaN
        for (at[along] = 0; at[along] < x.shape[along]; ++at[along]) {
            sum += std::exp(x.data[offset(x.shape, at)] - own);
        }
        y.data[i] = float(1 / sum);
    });
    return y;
}

}  // namespace sluice::reference
