#pragma once

#include <cstdint>

#include <Halide.h>

/// Arithmetic between float32 and quantised values, which are u8 with a scale and a zero point. It
/// is strict: no target joins a product and a sum, so that all give the same integers. strict_float
/// holds for all of an expression, so it stands once, around the whole.
namespace sluice::generators {

/// The nearest integer, half to even, of a value in units of a scale, between bounds that are
/// integers; NaN gives the lower one.
inline Halide::Expr round_to_grid(const Halide::Expr& value, const Halide::Expr& low,
                                  const Halide::Expr& high) {
    const Halide::Expr above = Halide::select(value > low, value, low);
    return Halide::strict_float(Halide::round(Halide::select(above < high, above, high)));
}

/// round_to_grid as it is stored: the bounds plus the zero point lie in 0 .. 255.
inline Halide::Expr to_u8(const Halide::Expr& value, const Halide::Expr& low,
                          const Halide::Expr& high, const Halide::Expr& zero) {
    const Halide::Expr grid = Halide::cast<std::int32_t>(round_to_grid(value, low, high));
    return Halide::cast<std::uint8_t>(grid + zero);
}

/// How far a quantised value lies from its zero point, which is exact.
inline Halide::Expr from_u8(const Halide::Expr& value, const Halide::Expr& zero) {
    return Halide::cast<float>(Halide::cast<std::int32_t>(value) - zero);
}

}  // namespace sluice::generators
