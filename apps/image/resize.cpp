#include <algorithm>
#include <cmath>
#include <cstddef>

#include "image/codecs.h"

namespace sluice::image {
namespace {

// Pillow's fixed point for 8-bit samples: the weights of an output sample add up to 2^22.
constexpr int weight_bits = 22;

// The source samples that one output sample is a weighted mean of.
struct Window {
    std::size_t first = 0;
    std::vector<std::int32_t> weights;
};

// Half its width, and its height at a distance from the centre.
struct Filter {
    double support;
    double (*at)(double distance);
};

double triangle(double distance) { return std::max(0.0, 1.0 - std::abs(distance)); }

double cubic(double distance) {
    constexpr double a = -0.5;
    const double x = std::abs(distance);
    if (x < 1.0) {
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    }
    return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

Filter filter_of(Interpolation interpolation) {
    return interpolation == Interpolation::bicubic ? Filter{2.0, cubic} : Filter{1.0, triangle};
}

std::vector<Window> make_windows(int source, int target, const Filter& filter) {
    const double scale = static_cast<double>(source) / target;
    const double stretch = std::max(scale, 1.0);
    const double radius = filter.support * stretch;
    std::vector<Window> windows(static_cast<std::size_t>(target));
    std::vector<double> weights;
    for (int i = 0; i < target; ++i) {
        const double centre = (i + 0.5) * scale;
        const int first = std::max(0, static_cast<int>(centre - radius + 0.5));
        const int last = std::min(source, static_cast<int>(centre + radius + 0.5));
        double sum = 0.0;
        weights.clear();
        for (int x = first; x < last; ++x) {
            weights.push_back(filter.at((x - centre + 0.5) * (1.0 / stretch)));
            sum += weights.back();
        }
        Window& window = windows[static_cast<std::size_t>(i)];
        window.first = static_cast<std::size_t>(first);
        for (const double weight : weights) {
            const double scaled = weight / sum * (1 << weight_bits);
            window.weights.push_back(static_cast<std::int32_t>(scaled + (scaled < 0 ? -0.5 : 0.5)));
        }
    }
    return windows;
}

// One pass along an axis; `stride` separates neighbours on it, in samples.
void apply(const Window& window, const std::uint8_t* source, std::size_t stride,
           std::uint8_t* target, std::size_t count) {
    const std::uint8_t* start = source + window.first * stride;
    for (std::size_t c = 0; c < count; ++c) {
        std::int32_t sum = 1 << (weight_bits - 1);
        for (std::size_t k = 0; k < window.weights.size(); ++k) {
            sum += window.weights[k] * start[k * stride + c];
        }
        // Rounded weights can add up to a little more than one, and the cubic's are negative in
        // part.
        target[c] = static_cast<std::uint8_t>(std::clamp(sum >> weight_bits, 0, 255));
    }
}

Image resize_width(const Image& source, int width, const Filter& filter) {
    const std::vector<Window> windows = make_windows(source.width, width, filter);
    const std::size_t from = static_cast<std::size_t>(source.width) * 3;
    const std::size_t to = static_cast<std::size_t>(width) * 3;
    const auto rows = static_cast<std::size_t>(source.height);
    Image result = blank(width, source.height);
    for (std::size_t y = 0; y < rows; ++y) {
        for (std::size_t x = 0; x < windows.size(); ++x) {
            apply(windows[x], &source.rgb[y * from], 3, &result.rgb[y * to + x * 3], 3);
        }
    }
    return result;
}

Image resize_height(const Image& source, int height, const Filter& filter) {
    const std::vector<Window> windows = make_windows(source.height, height, filter);
    const std::size_t row = static_cast<std::size_t>(source.width) * 3;
    Image result = blank(source.width, height);
    for (std::size_t y = 0; y < windows.size(); ++y) {
        apply(windows[y], source.rgb.data(), row, &result.rgb[y * row], row);
    }
    return result;
}

// The part of an axis that source and target have in common, and where it begins in each.
struct Overlap {
    std::size_t source = 0;
    std::size_t target = 0;
    std::size_t size = 0;
};

Overlap centre(int source, int target) {
    const auto size = static_cast<std::size_t>(std::min(source, target));
    if (source < target) {
        return {0, static_cast<std::size_t>(target - source) / 2, size};
    }
    // nearbyint rounds half to even, as Python's round does.
    return {static_cast<std::size_t>(std::nearbyint((source - target) / 2.0)), 0, size};
}

}  // namespace

Image resize(const Image& source, int width, int height, Interpolation interpolation) {
    const Filter filter = filter_of(interpolation);
    Image result = source.width == width ? source : resize_width(source, width, filter);
    return result.height == height ? result : resize_height(result, height, filter);
}

Image centre_crop(const Image& source, int width, int height) {
    const Overlap columns = centre(source.width, width), rows = centre(source.height, height);
    Image result = blank(width, height);
    const std::size_t from = static_cast<std::size_t>(source.width) * 3;
    const std::size_t to = static_cast<std::size_t>(width) * 3;
    for (std::size_t y = 0; y < rows.size; ++y) {
        std::copy_n(&source.rgb[(rows.source + y) * from + columns.source * 3], columns.size * 3,
                    &result.rgb[(rows.target + y) * to + columns.target * 3]);
    }
    return result;
}

}  // namespace sluice::image
