#pragma once

#include <map>
#include <string>
#include <vector>

#include <Halide.h>

#include "generators/epilogue.h"
#include "generators/int8_epilogue.h"

namespace sluice::generators {

/// What a kernel writes: bytes; bytes after roundings within the layer; floats.
enum class Int8Form { bytes, staged, floats };

inline const std::map<std::string, Int8Form> int8_form_names = {
    {"bytes", Int8Form::bytes}, {"staged", Int8Form::staged}, {"floats", Int8Form::floats}};

/// What all generators of int8 convolutions have in common: what becomes of an exact sum of int32.
///
///     t               = clamp(sum * multiplier(k), act_low, act_high) * gate + shift(k)
///                       + (residual(k, x, y) - residual_zero) * residual_scale      float32
///     output(k, x, y) = round(clamp(t, low, high)) + zero
///
/// Halves are rounded to even. The staged form rounds between the clamp and the gate, and between
/// the gate and the shift, as int8_epilogue.h's Rounding. So does that of floats, which has as
/// output(k, x, y) clamp(t, low, high), or rounded and times `scale`.
template <typename Derived>
class Int8Layer : public Halide::Generator<Derived> {
public:
    template <typename T>
    using Param = Halide::GeneratorParam<T>;
    template <typename T>
    using In = Halide::GeneratorInput<T>;
    template <typename T, int dimensions>
    using Tensor = Halide::Buffer<T, dimensions>;

    Param<Gate> gating{"gating", Gate::none, gate_names};
    Param<Int8Form> form{"form", Int8Form::bytes, int8_form_names};
    // Of the target: bytes that an instruction multiplies and sums for each of its lanes, and what
    // is subtracted from an input, so that instructions on signed bytes take it (0 or 128).
    Param<int> dot{"dot", 2};
    Param<int> offset{"offset", 0};
    // Likewise: 16 where an instruction sums two products in so many bits; 0: in 32.
    Param<int> sum_bits{"sum_bits", 0};

    /// (k): the convolution's, less what the input's zero point and the offset add to the sum:
    /// (zero point - offset) * the sum of k's weights.
    In<Tensor<int32_t, 1>> bias{"bias"};
    /// (k, row): row 0 multiplier, 1 shift.
    In<Tensor<float, 2>> epilogue{"epilogue"};
    /// (k, x, y); position gates are read at k = 0, unread where gating is none.
    In<Tensor<float, 3>> gate{"gate"};
    /// (k, x, y); strides of zero over a row of zeros, residual_zero = 0, where there is none.
    In<Tensor<uint8_t, 3>> residual{"residual"};
    /// Infinite where there is no clamp, which takes less time.
    In<float> act_low{"act_low"};
    In<float> act_high{"act_high"};
    In<float> residual_zero{"residual_zero"};
    In<float> residual_scale{"residual_scale"};
    /// Bounds of the output; of a rounded one integers, less `zero`.
    In<float> low{"low"};
    In<float> high{"high"};

protected:
    using Expr = Halide::Expr;

    Halide::Type output_type() const {
        return form == Int8Form::floats ? Halide::Float(32) : Halide::UInt(8);
    }

    /// The arguments that a form has and others do not.
    void add_inputs_of_form() {
        if (form == Int8Form::floats) {
            // Not 0: the output is rounded, and times scale.
            rounds = this->template add_input<int>("rounds");
            scale = this->template add_input<float>("scale");
        } else {
            zero = this->template add_input<int>("zero");
        }
        if (form != Int8Form::bytes) {
            // 1: rounds after the clamp, 2: after the gate, which takes less time where there is no
            // gate to tell them apart, 3: both.
            stages = this->template add_input<int>("stages");
            for (int i = 0; i < 2; ++i) {
                const std::string number = std::to_string(i + 1);
                bounds[i][0] = this->template add_input<float>("low" + number);
                bounds[i][1] = this->template add_input<float>("high" + number);
                factors[i] = this->template add_input<float>("factor" + number);
            }
        }
    }

    void begin_inputs_at_zero() {
        gate.dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        residual.dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        bias.dim(0).set_min(0);
        epilogue.dim(0).set_min(0).dim(1).set_min(0);
    }

    /// A byte of the input as an instruction of the target takes it.
    Expr operand(const Expr& byte) const {
        return offset == 128 ? Halide::reinterpret<int8_t>(byte ^ Halide::cast<uint8_t>(128))
                             : byte;
    }

    Expr has_residual() { return residual.dim(1).stride() != 0; }

    /// What leaves out a part of the epilogue, likeliest first.
    std::vector<Expr> shorter_cases() {
        // By their bits: Halide's own comparisons take no float to be infinite.
        const auto has_bits = [](const Expr& value, uint32_t bits) {
            return Halide::reinterpret<uint32_t>(value) == Expr(bits);
        };
        const Expr unclamped = has_bits(act_low, 0xff800000) && has_bits(act_high, 0x7f800000);
        switch (form) {
            case Int8Form::bytes:
                return {unclamped && !has_residual(), unclamped && has_residual()};
            case Int8Form::staged:
                return gating == Gate::none
                           ? std::vector<Expr>{unclamped && *stages == 2 && has_residual()}
                           : std::vector<Expr>{unclamped && *stages == 1 && !has_residual(),
                                               unclamped && *stages == 3 && has_residual()};
            case Int8Form::floats:
                return {unclamped && *stages == 0 && !has_residual()};
        }
        return {};
    }

    /// What is written for the sum of output (k, x, y).
    Expr finish(const Expr& sum, const Expr& k, const Expr& x, const Expr& y) {
        const Int8Sum of{.sum = sum,
                         .multiplier = epilogue(k, 0),
                         .act_low = act_low,
                         .act_high = act_high,
                         .after_act = rounding(0),
                         .gate = gate_value(gating, gate, k, x, y),
                         .after_gate = rounding(1)};
        const Expr shifted = of.value() + epilogue(k, 1);
        const Expr summand = residual_value(residual(k, x, y), residual_zero, residual_scale);
        // A zero is not added: the sum would be the same.
        const Expr value =
            Halide::strict_float(Halide::select(has_residual(), shifted + summand, shifted));
        return form == Int8Form::floats ? dequantised(value, low, high, *rounds, *scale)
                                        : quantised(value, low, high, *zero);
    }

private:
    /// The i-th rounding within the layer; undefined but in the staged form and that of floats.
    Rounding rounding(int i) {
        if (form == Int8Form::bytes) {
            return {};
        }
        return {(*stages & (1 << i)) != 0, *bounds[i][0], *bounds[i][1], *factors[i]};
    }

    In<int>*zero = nullptr, *stages = nullptr, *rounds = nullptr;
    In<float>*scale = nullptr, *bounds[2][2] = {}, *factors[2] = {};
};

}  // namespace sluice::generators
