#include "classify/heat_map.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

namespace sluice::classify {
namespace {

// Equal steps of lightness; the lowest is far above `skipped_colour`, because the smallest active
// gate still costs the whole convolution.
constexpr std::array<Colour, 6> anchors = {
    {{74, 44, 134}, {59, 90, 158}, {36, 134, 148}, {52, 176, 118}, {150, 212, 66}, {250, 232, 46}}};

std::vector<double> mean_over_groups(const GateMap& map) {
    const auto positions = static_cast<std::size_t>(map.height * map.width);
    std::vector<double> means(positions, 0.0);
    for (std::size_t i = 0; i < map.values.size(); ++i) {
        means[i % positions] +=
            static_cast<double>(map.values[i]) / static_cast<double>(map.groups);
    }
    return means;
}

double largest_finite(const std::vector<double>& values) {
    double largest = 0.0;
    for (const double value : values) {
        if (std::isfinite(value)) {
            largest = std::max(largest, value);
        }
    }
    return largest;
}

}  // namespace

Colour heat_colour(double value) {
    const double place = std::clamp(value, 0.0, 1.0) * (anchors.size() - 1);
    const auto below = std::min(static_cast<std::size_t>(place), anchors.size() - 2);
    const double share = place - static_cast<double>(below);
    Colour colour;
    for (std::size_t c = 0; c < 3; ++c) {
        const double mixed = anchors[below][c] * (1.0 - share) + anchors[below + 1][c] * share;
        colour[c] = static_cast<std::uint8_t>(std::lround(mixed));
    }
    return colour;
}

image::Image draw_heat_map(const GateMap& map) {
    const std::vector<double> means = mean_over_groups(map);
    const double largest = largest_finite(means);
    image::Image image{static_cast<int>(map.width), static_cast<int>(map.height), {}};
    image.rgb.reserve(means.size() * 3);
    for (const double mean : means) {
        Colour colour = skipped_colour;
        if (mean != 0.0) {
            colour = heat_colour(std::isfinite(mean) ? mean / largest : 1.0);
        }
        image.rgb.insert(image.rgb.end(), colour.begin(), colour.end());
    }
    return image;
}

}  // namespace sluice::classify
