#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include <Halide.h>

#include "generators/clip.h"

/// Elementary functions of float32 vectors, to a few units in the last place: Halide's own are
/// coarser at the ends and know no NaN. Products and sums of finite numbers may be joined to
/// multiply-adds; where infinities or NaN can be, arithmetic is strict. The polynomials are minimax
/// fits in double precision, rounded.
namespace sluice::generators {

namespace strict {

inline Halide::Expr call(Halide::Internal::Call::IntrinsicOp op, const Halide::Expr& a,
                         const Halide::Expr& b) {
    return Halide::Internal::Call::make(Halide::Float(32), op, {a, b},
                                        Halide::Internal::Call::PureIntrinsic);
}
inline Halide::Expr add(const Halide::Expr& a, const Halide::Expr& b) {
    return call(Halide::Internal::Call::strict_add, a, b);
}
inline Halide::Expr sub(const Halide::Expr& a, const Halide::Expr& b) {
    return call(Halide::Internal::Call::strict_sub, a, b);
}
inline Halide::Expr mul(const Halide::Expr& a, const Halide::Expr& b) {
    return call(Halide::Internal::Call::strict_mul, a, b);
}
inline Halide::Expr div(const Halide::Expr& a, const Halide::Expr& b) {
    return call(Halide::Internal::Call::strict_div, a, b);
}
inline Halide::Expr less(const Halide::Expr& a, const Halide::Expr& b) {
    return Halide::Internal::Call::make(Halide::Bool(), Halide::Internal::Call::strict_lt, {a, b},
                                        Halide::Internal::Call::PureIntrinsic);
}

}  // namespace strict

inline Halide::Expr bits_of(const Halide::Expr& value) {
    return Halide::reinterpret<std::int32_t>(value);
}

/// A select of floats that may be NaN: of their bits.
inline Halide::Expr choose(const Halide::Expr& condition, const Halide::Expr& yes,
                           const Halide::Expr& no) {
    return Halide::reinterpret<float>(Halide::select(condition, bits_of(yes), bits_of(no)));
}

inline Halide::Expr magnitude(const Halide::Expr& value) {
    return Halide::reinterpret<float>(bits_of(value) & 0x7fffffff);
}

/// The smaller of two, and NaN where either is.
inline Halide::Expr min_or_nan(const Halide::Expr& a, const Halide::Expr& b) {
    return choose(Halide::is_nan(a), a, choose(Halide::is_nan(b), b, min_or_second(a, b)));
}

/// The number within the bounds that is nearest to x, and `low` where x is NaN.
inline Halide::Expr between(const Halide::Expr& x, float low, float high) {
    return min_or_second(max_or_second(x, low), high);
}

/// `value`, but x where that is NaN.
inline Halide::Expr unless_nan(const Halide::Expr& x, const Halide::Expr& value) {
    return choose(Halide::is_nan(x), x, value);
}

/// coefficients[0] + coefficients[1] * x + ...
inline Halide::Expr polynomial(const Halide::Expr& x, const std::vector<float>& coefficients) {
    Halide::Expr sum = coefficients.back();
    for (std::size_t i = coefficients.size() - 1; i-- > 0;) {
        sum = sum * x + coefficients[i];
    }
    return sum;
}

/// exp(x) = 2^power * (1 + rest).
struct Exponential {
    Halide::Expr power, rest;
};

/// Of x from -104 to 89.
inline Exponential split_exp(const Halide::Expr& x) {
    Halide::Expr n = Halide::round(x * 1.44269504f);
    // n times the first part is exact.
    Halide::Expr r =
        strict::sub(strict::sub(x, strict::mul(n, 0.693359375f)), strict::mul(n, -2.12194440e-4f));
    Halide::Expr more =
        polynomial(r, {0.5f, 0.166665122f, 0.0416661873f, 0.00836959854f, 0.00139517186f});
    return {Halide::cast<std::int32_t>(n), r + r * r * more};
}

/// Of -126 to 127.
inline Halide::Expr power_of_two(const Halide::Expr& exponent) {
    return Halide::reinterpret<float>((exponent + 127) << 23);
}

/// exp(x) of x from -87 to 88.
inline Halide::Expr small_exp(const Halide::Expr& x) {
    const Exponential e = split_exp(x);
    return power_of_two(e.power) * (1.0f + e.rest);
}

/// exp(x) of any x.
inline Halide::Expr full_exp(const Halide::Expr& x) {
    const Exponential e = split_exp(between(x, -104.0f, 89.0f));
    Halide::Expr half = e.power >> 1;
    return unless_nan(x, strict::mul(strict::mul(1.0f + e.rest, power_of_two(half)),
                                     power_of_two(e.power - half)));
}

/// exp(x) - 1 of x up to 0, without the loss near 0.
inline Halide::Expr negative_expm1(const Halide::Expr& x) {
    const Exponential e = split_exp(between(x, -87.0f, 0.0f));
    Halide::Expr power = power_of_two(e.power);
    // In this order, in which neither part loses what the other has not.
    return unless_nan(x, strict::add(strict::mul(power, e.rest), strict::sub(power, 1.0f)));
}

/// log(x) of x > 0 that is no denormal.
inline Halide::Expr small_log(const Halide::Expr& x) {
    // The fraction lies between sqrt(1 / 2) and sqrt(2).
    Halide::Expr exponent = (bits_of(x) - 0x3f3504f3) >> 23;
    Halide::Expr f = Halide::reinterpret<float>(bits_of(x) - (exponent << 23)) - 1.0f;
    Halide::Expr more =
        polynomial(f, {0.333333105f, -0.250000089f, 0.200022161f, -0.166681871f, 0.142175451f,
                       -0.124005429f, 0.118988819f, -0.117131054f, 0.067685321f});
    Halide::Expr n = Halide::cast<float>(exponent);
    Halide::Expr square = f * f;
    Halide::Expr low = n * -2.12194440e-4f + square * f * more - 0.5f * square;
    return strict::add(strict::mul(n, 0.693359375f), strict::add(f, low));
}

/// log(x) of any x: minus infinity of 0, NaN of what is less.
inline Halide::Expr full_log(const Halide::Expr& x) {
    const float least = 1.17549435e-38f, infinity = std::numeric_limits<float>::infinity();
    Halide::Expr is_small = strict::less(x, least);
    // 2^25 makes a normal number of a denormal one.
    Halide::Expr scaled = choose(is_small, strict::mul(x, 33554432.0f), x);
    Halide::Expr whole = small_log(between(scaled, least, std::numeric_limits<float>::max()));
    Halide::Expr value = Halide::select(is_small, whole - 17.3286795f, whole);
    value =
        choose(strict::less(0.0f, x), value,
               choose(strict::less(x, 0.0f), std::numeric_limits<float>::quiet_NaN(), -infinity));
    return unless_nan(x, choose(strict::less(x, infinity), value, infinity));
}

/// 1 / (1 + exp(-x)), and exactly 0 where that is no normal number: a product with it stays small.
/// NaN where x is the NaN that arithmetic makes, and anything of other NaN.
inline Halide::Expr sigmoid_of_number(const Halide::Expr& x) {
    // The sum's last bits are the nearest whole number to -x / log(2), whose power of two is made
    // of them without a conversion. One constant in place of two for log(2) leaves an error of
    // 2^-24 * x in the exponential, of an x that is large where it counts in neither sum.
    const float whole = 12582912.0f;
    Halide::Expr held = clip(x, -87.0f, 87.0f);
    Halide::Expr sum = held * -1.44269504f + whole;
    Halide::Expr r = strict::sub(sum, whole) * 0.693147181f + held;
    Halide::Expr small = polynomial(
        r, {1.0f, -0.999999702f, 0.499991477f, -0.166676387f, 0.0418981612f, -0.00829027314f});
    const auto bits = [](const Halide::Expr& value) {
        return Halide::reinterpret<std::uint32_t>(value);
    };
    Halide::Expr exponential = Halide::reinterpret<float>(bits(small) + (bits(sum) << 23));
    return choose(strict::less(x, -87.0f), 0.0f, 1.0f / (1.0f + exponential));
}

inline Halide::Expr full_sigmoid(const Halide::Expr& x) {
    return unless_nan(x, sigmoid_of_number(x));
}

/// x * sigmoid(alpha * x).
inline Halide::Expr full_silu(const Halide::Expr& x, const Halide::Expr& alpha) {
    return strict::mul(x, sigmoid_of_number(strict::mul(alpha, x)));
}

/// x * min(max(alpha * x + beta, 0), 1).
inline Halide::Expr full_hard_swish(const Halide::Expr& x, const Halide::Expr& alpha,
                                    const Halide::Expr& beta) {
    return strict::mul(x, clip(strict::add(strict::mul(alpha, x), beta), 0.0f, 1.0f));
}

inline Halide::Expr full_tanh(const Halide::Expr& x) {
    Halide::Expr held = between(x, -10.0f, 10.0f), z = held * held;
    Halide::Expr small = held + held * z *
                                    polynomial(z, {-0.333332807f, 0.133313566f, -0.0537316427f,
                                                   0.0206101369f, -0.00567011163f});
    Halide::Expr large = 1.0f - 2.0f / (small_exp(2.0f * magnitude(held)) + 1.0f);
    Halide::Expr is_small = magnitude(held) < 0.625f;
    Halide::Expr is_negative = held < 0.0f;
    return unless_nan(x,
                      Halide::select(is_small, small, Halide::select(is_negative, -large, large)));
}

inline Halide::Expr full_erf(const Halide::Expr& x) {
    // Beyond, it is 1 in float32.
    Halide::Expr held = between(x, -3.94f, 3.94f), z = held * held;
    Halide::Expr above = polynomial(z, {1.12837911f, 0.191550061f, 0.0528754182f, 0.0038081524f,
                                        0.000284687732f, 2.02591264e-06f});
    Halide::Expr below = polynomial(
        z, {1.0f, 0.503089488f, 0.114559524f, 0.0150550706f, 0.00117072393f, 3.78318473e-05f});
    Halide::Expr value = Halide::clamp(held * above / below, -1.0f, 1.0f);
    value =
        Halide::select(magnitude(held) < 3.93f, value, Halide::select(held < 0.0f, -1.0f, 1.0f));
    return unless_nan(x, value);
}

/// log(1 + exp(x)).
inline Halide::Expr full_softplus(const Halide::Expr& x) {
    Halide::Expr u = small_exp(-between(magnitude(x), 0.0f, 87.0f));
    Halide::Expr whole = strict::add(1.0f, u);
    // What the sum has rounded away counts where u is small.
    Halide::Expr lost = strict::sub(u, strict::sub(whole, 1.0f));
    Halide::Expr log = small_log(whole) + lost / whole;
    return strict::add(max_or_second(0.0f, x), log);
}

/// tanh(softplus(x)) of any x: with e = exp(x) it is (e^2 + 2 e) / (e^2 + 2 e + 2).
inline Halide::Expr tanh_of_softplus(const Halide::Expr& x) {
    Halide::Expr e = small_exp(between(x, -87.0f, 20.0f));
    Halide::Expr n = e * (e + 2.0f);
    return unless_nan(x, choose(strict::less(x, -87.0f), 0.0f, n / (n + 2.0f)));
}

/// (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2.
inline Halide::Expr gelu_gate(const Halide::Expr& x) {
    Halide::Expr held = between(x, -9.0f, 9.0f);
    Halide::Expr twice = held * (1.59576912f + 0.0713548163f * held * held);
    Halide::Expr value = 1.0f / (1.0f + small_exp(-Halide::clamp(twice, -87.0f, 87.0f)));
    return unless_nan(x, choose(strict::less(x, -9.0f), 0.0f, value));
}

}  // namespace sluice::generators
