#include <algorithm>
#include <cmath>

#include "reference/index.h"
#include "reference/operators.h"

namespace sluice::reference {

Tensor affine(const Affine& affine, const Tensor& x) {
    Tensor y = zeros(x.shape);
    for_each_index(x.shape, [&](const Shape& at) {
        const std::size_t c = at.size() > 1 ? std::size_t(at[1]) : 0;
        const double scale = affine.scale[affine.scale.size() == 1 ? 0 : c];
        const double shift = affine.shift[affine.shift.size() == 1 ? 0 : c];
        const std::size_t i = offset(x.shape, at);
        y.data[i] = apply(affine.clamp, scale * x.data[i] + shift);
    });
    return y;
}

Tensor clamp(const Clamp& clamp, const Tensor& x) {
    Tensor y = x;
    for (float& value : y.data) {
        value = apply(clamp, value);
    }
    return y;
}

namespace {

double combine(Binary op, double a, double b) {
    switch (op) {
        case Binary::add:
            return a + b;
        case Binary::sub:
            return a - b;
        case Binary::mul:
            return a * b;
        case Binary::div:
            return a / b;
    }
    return 0;
}

/// The element of a broadcast operand: missing leading extents and extents of 1 repeat.
float broadcast(const Tensor& t, const Shape& at) {
    Shape own(t.shape.size());
    const std::size_t missing = at.size() - own.size();
    for (std::size_t axis = 0; axis < own.size(); ++axis) {
        own[axis] = t.shape[axis] == 1 ? 0 : at[axis + missing];
    }
    return t.data[offset(t.shape, own)];
}

Shape broadcast_shape(const Shape& a, const Shape& b) {
    Shape shape(std::max(a.size(), b.size()));
    for (std::size_t back = 1; back <= shape.size(); ++back) {
        const std::int64_t from_a = back <= a.size() ? a[a.size() - back] : 1;
        const std::int64_t from_b = back <= b.size() ? b[b.size() - back] : 1;
        shape[shape.size() - back] = from_a == 1 ? from_b : from_a;
    }
    return shape;
}

}  // namespace

Tensor binary(Binary op, const Tensor& a, const Tensor& b) {
    Tensor y = zeros(broadcast_shape(a.shape, b.shape));
    for_each_index(y.shape, [&](const Shape& at) {
        y.data[offset(y.shape, at)] = float(combine(op, broadcast(a, at), broadcast(b, at)));
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
