#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "kernels/last_activation.h"
#include "kernels/memory.h"
#include "reference/operators.h"

/// Random convolutions and the one place that hands them to a kernel.
namespace sluice::kernel_test {

struct ConvCase {
    int channels, outputs;
    int height, width;          ///< of the input
    std::array<int, 2> kernel;  ///< y, x
    std::array<int, 2> stride;  ///< y, x
    std::array<int, 4> pads;    ///< top, left, bottom, right
    int groups = 1;
    std::array<int, 2> dilation = {1, 1};  ///< y, x

    bool is_plain() const { return groups == 1 && dilation == std::array{1, 1}; }
};

std::string to_string(const ConvCase& c);

struct ConvProblem {
    ConvCase shape;
    FusedConv conv;
    reference::Tensor x, residual;
    reference::Tensor products;  ///< conv(x) + bias by the scalar reference
    bool has_residual;
    int height, width;  ///< of the output
};

/// Draws weights, clamps of all_clamps() and whether there is a residual.
ConvProblem make_problem(const ConvCase& c, std::mt19937& rng);

/// None, or an activation that kernels without a gate compute last.
std::optional<Activation> draw_activation(std::mt19937& rng);

/// As those kernels are told of it.
LastActivation last_activation(const FusedConv& conv);

/// Whether a kernel without a gate may leave out all but the last clamp and the activation.
bool is_plain(const ConvProblem& p);

/// What a layer without a gate and residual gives of a sum of zero.
float output_of_zero(const FusedConv& conv);

/// The weights as the reference takes them.
reference::Tensor weights_of(const ConvProblem& p);

/// Puts NaN and infinities among the input, the residual and the bias, and one NaN among the
/// weights where there are no pads, which the reference leaves out and kernels multiply.
void spoil(ConvProblem& p, std::mt19937& rng);

/// [1, maps, H', W'], or a value for each square of conv.gate_grid, of zeros and values of 0.1
/// to 1. A negative density: one value alone is open.
reference::Tensor make_gate(const ConvProblem& p, int maps, double density, std::mt19937& rng);

/// Positions in row-major order; all where `map` is negative, else those where this map of the gate
/// is open.
std::vector<std::uint32_t> list_positions(const ConvProblem& p, const reference::Tensor& gate,
                                          int map);

/// [1, C, H, W] -> NHWC with `channel_stride` floats a pixel and a halo (top, left, bottom, right)
/// of zeros.
std::vector<float> to_nhwc(const reference::Tensor& t, int channel_stride,
                           const std::array<int, 4>& halo);

/// A problem in the layouts of one kernel of gated_conv.cpp or winograd_conv.cpp. Inputs end at
/// guarded pages.
class PackedConv {
public:
    /// `channel_stride` floats a pixel of the input, whose lanes beyond the channels are zero.
    /// `beside_taps`: with Winograd's weights beside a direct kernel's, as
    /// generators/winograd_conv.cpp states.
    PackedConv(const ConvProblem& problem, const Kernel& kernel, int channel_stride,
               bool beside_taps = false);

    /// (k, x, y), all lanes, nothing written yet.
    Strided output() const;
    /// Computes output channels first .. first + count at the positions of a list, or its tiles;
    /// `map` is that of a position gate.
    void run(const reference::Tensor& gate, int map, const std::vector<std::uint32_t>& list,
             int first, int count, Strided& output) const;

    int output_stride() const { return output_stride_; }

private:
    const ConvProblem& problem_;
    const Kernel& kernel_;
    int channel_stride_, output_stride_, padded_width_, padded_height_;
    /// Extents of the weights between k % lanes and k / lanes; of Winograd's the second one is 1.
    std::array<int, 3> matrices_;
    Guarded input_, weights_, epilogue_, residual_;
    GuardedOf<std::int32_t> starts_;  ///< of the direct kernel's blocks
};

}  // namespace sluice::kernel_test
