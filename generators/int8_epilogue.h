#pragma once

#include <Halide.h>

#include "generators/clip.h"

/// What becomes of an int8 convolution's sum. The answer is the same on every target: no product
/// and sum become one multiply-add, and halves are rounded to even.
namespace sluice::generators {

/// From 2^23 to 2^24 floats are the integers: in a sum with this, a value of at most 2^22 is
/// rounded to the nearest, of two to the even one.
inline constexpr float rounds_to_integers = 1.5f * (1 << 23);

/// The nearest integer to a value of at most 2^22.
inline Halide::Expr round_to_even(const Halide::Expr& value) {
    // Halide::round takes several instructions where a vector is 512 bits.
    return Halide::strict_float(value + rounds_to_integers - rounds_to_integers);
}

/// Likewise, modulo 2^32, but for a constant multiple of 2^22.
inline Halide::Expr round_to_bits(const Halide::Expr& value) {
    return Halide::reinterpret<std::uint32_t>(Halide::strict_float(value + rounds_to_integers));
}

/// A rounding on the way, as a quantisation and its inverse: to integers between two bounds, and
/// times `factor` into the unit of the next one.
struct Rounding {
    Halide::Expr condition;  ///< whether there is one in this layer
    Halide::Expr low, high;
    Halide::Expr factor;

    Halide::Expr apply(const Halide::Expr& value) const {
        return Halide::select(condition, round_to_even(clip(value, low, high)) * factor, value);
    }
};

/// The sum of a convolution, in the unit of the next rounding.
struct Int8Sum {
    Halide::Expr sum, multiplier;
    Halide::Expr act_low, act_high;
    Rounding after_act;  ///< undefined where there is none
    Halide::Expr gate;   ///< likewise
    Rounding after_gate;

    Halide::Expr value() const {
        Halide::Expr value = clip(Halide::cast<float>(sum) * multiplier, act_low, act_high);
        if (after_act.condition.defined()) {
            value = after_act.apply(value);
        }
        if (gate.defined()) {
            value = value * gate;
        }
        return after_gate.condition.defined() ? after_gate.apply(value) : value;
    }
};

/// A residual u8 value in the unit of the output; `zero` is an integer.
inline Halide::Expr residual_value(const Halide::Expr& residual, const Halide::Expr& zero,
                                   const Halide::Expr& scale) {
    // The last bits of 2^23: no conversion, which with the sums would take most of the time.
    const float first = 1 << 23;
    const Halide::Expr bits = Halide::reinterpret<std::uint32_t>(Halide::Expr(first));
    const Halide::Expr value =
        Halide::reinterpret<float>(Halide::cast<std::uint32_t>(residual) | bits);
    return (value - (first + zero)) * scale;
}

/// The u8 output of a value in its unit; `low` and `high` are integers, so that the result is one
/// of 0 to 255.
inline Halide::Expr quantised(const Halide::Expr& value, const Halide::Expr& low,
                              const Halide::Expr& high, const Halide::Expr& zero) {
    const Halide::Expr bits = round_to_bits(Halide::strict_float(clip(value, low, high)));
    return Halide::cast<std::uint8_t>(bits + Halide::cast<std::uint32_t>(zero));
}

/// The f32 output of a value: rounded in the unit of `scale`, or as it is.
inline Halide::Expr dequantised(const Halide::Expr& value, const Halide::Expr& low,
                                const Halide::Expr& high, const Halide::Expr& rounds,
                                const Halide::Expr& scale) {
    const Halide::Expr clipped = clip(value, low, high);
    return Halide::strict_float(
        Halide::select(rounds != 0, round_to_even(clipped) * scale, clipped));
}

}  // namespace sluice::generators
