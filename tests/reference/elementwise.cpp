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

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

double activate(const Activation& a, double x) {
    switch (a.kind) {
        case ActivationKind::abs:
            return std::abs(x);
        case ActivationKind::elu:
            return a.beta * (x > 0 ? x : a.alpha * std::expm1(x));
        case ActivationKind::erf:
            return std::erf(x);
        case ActivationKind::exp:
            return std::exp(x);
        case ActivationKind::gelu:
            return x * (std::erfc(-x * std::sqrt(0.5)) / 2);
        case ActivationKind::gelu_tanh:
            return x * sigmoid(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
        case ActivationKind::hard_swish:
            return x * std::min(std::max(a.alpha * x + a.beta, 0.0), 1.0);
        case ActivationKind::leaky_relu:
            return x < 0 ? a.alpha * x : x;
        case ActivationKind::log:
            return std::log(x);
        case ActivationKind::mish:
            return x * std::tanh(softplus(x));
        case ActivationKind::sigmoid:
            return sigmoid(x);
        case ActivationKind::silu:
            return x * sigmoid(a.alpha * x);
        case ActivationKind::softplus:
            return std::isnan(x) ? x : softplus(x);
        case ActivationKind::softsign:
            return x / (1 + std::abs(x));
        case ActivationKind::sqrt:
            return std::sqrt(x);
        case ActivationKind::tanh:
            return std::tanh(x);
        case ActivationKind::threshold:
            return x > a.alpha ? x : 0;
    }
    return x;
}

}  // namespace

Tensor activation(const Activation& activation, const Tensor& x) {
    Tensor y = x;
    for (float& value : y.data) {
        value = float(activate(activation, value));
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
        case Binary::max:
            return std::isnan(a) ? a : std::isnan(b) ? b : std::max(a, b);
        case Binary::min:
            return std::isnan(a) ? a : std::isnan(b) ? b : std::min(a, b);
        case Binary::pow:
            return std::pow(a, b);
        case Binary::prelu:
            return a < 0 ? a * b : a;
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

}  // namespace sluice::reference
