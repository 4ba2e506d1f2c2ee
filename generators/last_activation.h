#pragma once

#include <Halide.h>

#include "generators/elementary.h"
#include "generators/epilogue.h"
#include "runtime/kernels/last_activation.h"

namespace sluice::generators {

/// A choice by a scalar, as a jump: a vector costs what it takes of the two.
inline Halide::Expr jump(const Halide::Expr& condition, const Halide::Expr& yes,
                         const Halide::Expr& no) {
    using Halide::Internal::Call;
    return Call::make(Halide::Float(32), Call::if_then_else, {condition, yes, no},
                      Call::PureIntrinsic);
}

/// Arguments of a convolution's kernel, unread where there is a gate.
struct UngatedEnd {
    Halide::Expr is_plain;  ///< whether act, scale, shift and residual change nothing
    Halide::Expr activation, alpha, beta;  ///< LastActivation, and its parameters

    /// All of `then`, and the activation where there is no gate.
    Halide::Expr apply(Gate gating, const Epilogue& then, const Halide::Expr& sum) const {
        if (gating != Gate::none) {
            return then.apply(sum);
        }
        const Epilogue clamp{.post_low = then.post_low, .post_high = then.post_high};
        Halide::Expr x = jump(is_plain != 0, clamp.apply(sum), then.apply(sum));
        return jump(activation == int(LastActivation::silu), full_silu(x, alpha),
                    jump(activation == int(LastActivation::hard_swish),
                         full_hard_swish(x, alpha, beta), x));
    }
};

}  // namespace sluice::generators
