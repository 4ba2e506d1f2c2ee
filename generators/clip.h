#pragma once

#include <Halide.h>

namespace sluice::generators {

/// The larger of two, and `second` where either is NaN (on AArch64 the NaN of either). Halide's own
/// max tells LLVM that it meets none. Strict alone is the comparison: strict_float() would also
/// keep the operands' products and sums from becoming multiply-adds.
inline Halide::Expr max_or_second(const Halide::Expr& first, const Halide::Expr& second) {
    using Halide::Internal::Call;
    return Call::make(Halide::Float(32), Call::strict_max, {first, second}, Call::PureIntrinsic);
}

/// Likewise the smaller of two.
inline Halide::Expr min_or_second(const Halide::Expr& first, const Halide::Expr& second) {
    using Halide::Internal::Call;
    return Call::make(Halide::Float(32), Call::strict_min, {first, second}, Call::PureIntrinsic);
}

/// ONNX's Clip: min(max(value, low), high), so `high` where low > high, and NaN where the value is
/// NaN; the bounds are none. Two instructions a vector, as Halide's clamp, which gives `low` and a
/// bound.
inline Halide::Expr clip(const Halide::Expr& value, const Halide::Expr& low,
                         const Halide::Expr& high) {
    return min_or_second(high, max_or_second(low, value));
}

/// The larger of two, and NaN where either is.
inline Halide::Expr max_or_nan(const Halide::Expr& a, const Halide::Expr& b) {
    // All bits of a NaN's exponent are set and one of its fraction, whatever is joined with it.
    const auto bits = [](const Halide::Expr& value) {
        return Halide::reinterpret<std::uint32_t>(value);
    };
    return Halide::reinterpret<float>(bits(max_or_second(a, b)) | bits(max_or_second(b, a)));
}

}  // namespace sluice::generators
