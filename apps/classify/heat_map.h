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
    std::span<const float> values;  ///< [groups, height, width]; 0 where a gate is closed
    double density = 1.0;           ///< share of gates that are open
    bool skips = true;              ///< false where the layer computes what its gate closes
};

/// Of a position where every gate is closed: darker than anything on the scale.
inline constexpr Colour closed_colour = {6, 6, 8};

/// A perceptually ordered scale, dark violet over teal to yellow; `value` in 0 to 1.
Colour heat_colour(double value);

/// One pixel a position. The mean of the layer's open and closed gates over its maps, relative to
/// the largest such mean; `closed_colour` where all are zero. An infinite or NaN mean is drawn as
/// the largest.
image::Image draw_heat_map(const GateMap& map);

}  // namespace sluice::classify
