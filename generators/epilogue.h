#pragma once

#include <map>
#include <string>

#include <Halide.h>

#include "generators/clip.h"

namespace sluice::generators {

/// What a convolution's outputs are multiplied by: nothing, one value a position for all channels,
/// or one an output.
enum class Gate { none, position, element };

inline const std::map<std::string, Gate> gate_names = {
    {"none", Gate::none}, {"position", Gate::position}, {"element", Gate::element}};

/// The gate (k, x, y) of an output; undefined where there is none.
template <typename Gates>
Halide::Expr gate_value(Gate form, const Gates& gate, const Halide::Expr& k, const Halide::Expr& x,
                        const Halide::Expr& y) {
    switch (form) {
        case Gate::none:
            return {};
        case Gate::position:
            return gate(0, x, y);
        case Gate::element:
            return gate(k, x, y);
    }
    return {};
}

/// What becomes of a convolution's sum, in registers:
///
///     output = post(act(sum + bias) * gate * scale + shift + residual)
///
/// Terms that are undefined are left out; a scale comes with a shift and a residual, and clamps
/// with both of their bounds.
struct Epilogue {
    Halide::Expr bias;  ///< undefined where the sum begins with it
    Halide::Expr act_low, act_high;
    Halide::Expr gate;
    Halide::Expr scale, shift;
    Halide::Expr residual;
    Halide::Expr post_low, post_high;

    Halide::Expr apply(const Halide::Expr& sum) const {
        Halide::Expr value = bias.defined() ? sum + bias : sum;
        if (act_low.defined()) {
            value = clip(value, act_low, act_high);
        }
        if (gate.defined()) {
            value *= gate;
        }
        if (scale.defined()) {
            value = value * scale + shift + residual;
        } else if (residual.defined()) {
            // The gate's product and this sum are one multiply-add.
            value += shift.defined() ? residual + shift : residual;
        }
        return post_low.defined() ? clip(value, post_low, post_high) : value;
    }
};

}  // namespace sluice::generators
