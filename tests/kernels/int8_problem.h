#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/conv_problem.h"

/// Random convolutions of bytes, what they give, and the one place that hands them to a kernel.
namespace sluice::kernel_test {

/// A rounding within a layer: to integers between two bounds, times a factor.
struct Stage {
    bool is_there = false;
    float low, high, factor;
};

struct Int8Problem {
    ConvCase shape;
    int height, width;            ///< of the output
    std::vector<std::uint8_t> x;  ///< [C, H, W]
    int input_zero;
    std::vector<std::int8_t> weights;  ///< [K, C / groups, kh, kw]
    std::vector<std::int32_t> bias;    ///< [K], of a convolution of x - input_zero
    std::vector<float> multiplier, shift;
    Clamp act;
    std::array<Stage, 2> stages;
    bool has_residual;
    std::vector<std::uint8_t> residual;  ///< [K, H', W']
    float residual_zero, residual_scale;
    float low, high;  ///< of the output, less its zero
    int zero;
    bool rounds;  ///< float outputs
    float scale;
    std::vector<std::int64_t> sums;  ///< conv(x - input_zero) + bias, [K, H', W']
};

Int8Problem make_int8_problem(const ConvCase& c, std::mt19937& rng);
/// After a change of x, the weights, the bias or the zero.
void compute_sums(Int8Problem& p);

/// The value of an output before it is clamped and rounded; `gate` is 1 where there is none.
float value_of(const Int8Problem& p, int k, int pixel, float gate, bool is_staged);
/// That of a channel beyond the last, whose weights, bias, multiplier and shift are zero.
float value_beyond(const Int8Problem& p, bool is_staged);
std::uint8_t byte_of(const Int8Problem& p, float value);
float float_of(const Int8Problem& p, float value);

/// [maps, H', W'] of zeros and values of 0.1 to 1; a negative density: one value alone is open.
std::vector<float> make_int8_gate(const Int8Problem& p, int maps, double density,
                                  std::mt19937& rng);

/// Runs a kernel of int8_conv.cpp or int8_depthwise.cpp at all positions of
/// a list, and counts the outputs that differ from value_of's, and other bytes that were written.
/// `gate` is [1 or K, H', W'], or empty.
int count_wrong(const Int8Problem& p, const Kernel& kernel, int channel_stride,
                const std::vector<float>& gate, const std::vector<std::uint32_t>& list);

/// Row-major positions of a map that are not zero; all where the map is empty.
std::vector<std::uint32_t> list_open(const Int8Problem& p, const std::vector<float>& map);

}  // namespace sluice::kernel_test
