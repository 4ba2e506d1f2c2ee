#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "classify/canvas.h"

namespace sluice::classify {

/// What a gated layer let through for one image.
struct GateMap {
    std::string layer;
    std::int64_t groups = 1;
    std::int64_t height = 0;
    std::int64_t width = 0;
    std::span<const float> values;  ///< [groups, height, width]; 0 where a gate skips
    double density = 1.0;           ///< share of gates that are active
    bool skips = true;              ///< false where the layer computes what its gate makes zero
    std::int64_t grid = 1;          ///< outputs along each side that one gate governs
    std::int64_t output_height = 0;
    std::int64_t output_width = 0;
};

/// Of a position that every gate skips: darker than anything on the scale.
inline constexpr Colour skipped_colour = {6, 6, 8};

/// A perceptually ordered scale, dark violet over teal to yellow; `value` in 0 to 1.
Colour heat_colour(double value);

/// One pixel per position: the mean of the layer's gates over its maps, relative to the largest
/// such mean. `skipped_colour` where all are zero. An infinite or NaN mean is drawn as the largest.
image::Image draw_heat_map(const GateMap& map);

}  // namespace sluice::classify
