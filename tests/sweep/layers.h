#pragma once

#include "sweep/net.h"

namespace sluice::sweep {

/// How a drawn layer is gated.
enum class Gating {
    none,
    position,   ///< a shared k x k branch of one map
    pointwise,  ///< a 1x1 branch of one map
    group,      ///< G maps, each for K / G channels
    element,    ///< a 1x1 branch of K maps
    tile,       ///< max-pool, 1x1 and nearest enlargement: a gate for 4x4 outputs
};

/// A convolution and what surrounds it. Extents are {y, x}, pads {top, left, bottom, right}.
struct Layer {
    Shape kernel = {3, 3}, stride = {1, 1}, pads = {1, 1, 1, 1};
    std::string auto_pad;      ///< instead of the pads, where not empty
    bool pads_apart = false;   ///< by a Pad before it
    std::int64_t outputs = 1;  ///< channels
    Shape dilation = {1, 1};
    std::int64_t conv_groups = 1;
    bool is_transposed = false;  ///< a ConvTranspose
    bool has_bias = true;
    Gating gating = Gating::none;
    std::int64_t groups = 1;         ///< of Gating::group
    double density = 0.5;            ///< share of the gates that are active
    ValueId gate_source = no_value;  ///< what the branch reads instead of x; of its extents
    bool norm_before = false, norm_after = false;  ///< of the gate
    bool act_before = false, act_after = false;    ///< of the gate
    bool has_residual = false;
    bool residual_last = false;  ///< added after the activation
};

/// The layer's output for x [N, C, H, W].
ValueId add_layer(Net& net, ValueId x, const Layer& layer);

/// Weights of a size that keeps the values' size.
ValueId add_conv(Net& net, ValueId x, const Layer& layer);
ValueId add_batch_norm(Net& net, ValueId x);
/// Maps of numbers made a gate: shifted so that `density` of each map is active, scaled to about
/// one, and clamped.
ValueId add_clamped_gate(Net& net, ValueId maps, double density);
/// A map [N, 1, h, w] with each value repeated `times` {y, x}, cut to the extents of `to`.
ValueId enlarge(Net& net, ValueId small, const Shape& times, Shape to);
/// Relu, HardSigmoid, or Clip with bounds of any kind.
ValueId add_activation(Net& net, ValueId x);
/// Clip with bounds that leave a good part of the values' range; absent ones are no_value.
ValueId add_clip(Net& net, ValueId x);
/// A convolution of the extents {y, x} of a value [N, C, H, W] down or up to those of an output.
ValueId add_shortcut(Net& net, ValueId x, const Shape& to, const Layer& layer);

}  // namespace sluice::sweep
