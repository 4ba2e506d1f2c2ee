#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph/graph.h"

namespace sluice {

/// What a quantised convolution reads and writes: of a residual and an output that there are not,
/// or that are floats, none.
struct Quantizations {
    Quantization input;
    std::optional<Quantization> residual, output;
};

/// A rounding within a layer: to integers from low to high, and times `factor` into the unit of the
/// next one.
struct InnerRounding {
    float low = 0, high = 0, factor = 1;
};

/// The epilogue of a quantised convolution, in the units of generators/int8_conv.cpp, which says
/// what each does: a rounding's unit is its scale, and its integers count from its zero point.
struct Int8Numbers {
    std::vector<float> multiplier, shift;  ///< [K]
    float act_low = 0, act_high = 0;
    std::int32_t stages = 0;  ///< 1: rounds after the activation, 2: after the gate
    InnerRounding after_act, after_gate;
    float residual_zero = 0, residual_scale = 0;
    float low = 0, high = 0;
    std::int32_t zero = 0;
    bool rounds = false;  ///< whether the output is rounded at all
    float scale = 1;      ///< of the output's rounding; 1 where it has none
};

/// The integers that a quantised output has, less its zero point.
struct OutputRange {
    float low, high;
};
OutputRange output_range(const Quantization& output);
/// Those within a clamp, whose bounds are rounded half to even.
OutputRange output_range(const Quantization& output, const Clamp& clamp);

Int8Numbers int8_numbers(const FusedConv& conv, const Quantizations& of);

/// The bias of each output as its kernel adds it to a sum of (input - offset) * weight, or none
/// where a sum could leave the int32 that holds it.
std::optional<std::vector<std::int32_t>> int8_bias(const FusedConv& conv, const Quantization& input,
                                                   int offset);

}  // namespace sluice
