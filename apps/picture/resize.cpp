#include <algorithm>
#include <cmath>
#include <cstddef>

#include "picture/picture.h"

namespace sluice::picture {
namespace {

// The source samples that one output sample is a weighted mean of.
struct Window {
    int first = 0;
    std::vector<float> weights;
};

std::vector<Window> triangle_windows(int source, int target) {
    const double scale = static_cast<double>(source) / target;
    const double radius = std::max(scale, 1.0);
    std::vector<Window> windows(static_cast<std::size_t>(target));
    for (int i = 0; i < target; ++i) {
        const double centre = (i + 0.5) * scale;
        const int first = std::max(0, static_cast<int>(centre - radius + 0.5));
        const int last = std::min(source, static_cast<int>(centre + radius + 0.5));
        Window& window = windows[static_cast<std::size_t>(i)];
        window.first = first;
        double sum = 0.0;
        for (int x = first; x < last; ++x) {
            const double weight = std::max(0.0, 1.0 - std::abs(x + 0.5 - centre) / radius);
            window.weights.push_back(static_cast<float>(weight));
            sum += weight;
        }
        for (float& weight : window.weights) {
            weight = static_cast<float>(weight / sum);
        }
    }
    return windows;
}

std::uint8_t round_to_byte(float value) {
    return static_cast<std::uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f));
}

// One pass along an axis; `stride` separates neighbours on it, in samples.
void filter(const std::uint8_t* source, std::size_t stride, const Window& window,
            std::uint8_t* target, std::size_t count) {
    const std::uint8_t* start = source + static_cast<std::size_t>(window.first) * stride;
    for (std::size_t c = 0; c < count; ++c) {
        float sum = 0.0f;
        for (std::size_t k = 0; k < window.weights.size(); ++k) {
            sum += window.weights[k] * static_cast<float>(start[k * stride + c]);
        }
        target[c] = round_to_byte(sum);
    }
}

Picture resize_width(const Picture& source, int width) {
    const std::vector<Window> windows = triangle_windows(source.width, width);
    const std::size_t from = static_cast<std::size_t>(source.width) * 3;
    const std::size_t to = static_cast<std::size_t>(width) * 3;
    const auto rows = static_cast<std::size_t>(source.height);
    Picture result{width, source.height, std::vector<std::uint8_t>(to * rows)};
    for (std::size_t y = 0; y < rows; ++y) {
        for (std::size_t x = 0; x < windows.size(); ++x) {
            filter(&source.rgb[y * from], 3, windows[x], &result.rgb[y * to + x * 3], 3);
        }
    }
    return result;
}

Picture resize_height(const Picture& source, int height) {
    const std::vector<Window> windows = triangle_windows(source.height, height);
    const std::size_t pitch = static_cast<std::size_t>(source.width) * 3;
    Picture result{source.width, height,
                   std::vector<std::uint8_t>(pitch * static_cast<std::size_t>(height))};
    for (std::size_t y = 0; y < windows.size(); ++y) {
        filter(source.rgb.data(), pitch, windows[y], &result.rgb[y * pitch], pitch);
    }
    return result;
}

}  // namespace

Picture resize(const Picture& source, int width, int height) {
    Picture result = source.width == width ? source : resize_width(source, width);
    return result.height == height ? result : resize_height(result, height);
}

Picture centre_crop(const Picture& source, int width, int height) {
    const int left = static_cast<int>(std::lround((source.width - width) / 2.0));
    const int top = static_cast<int>(std::lround((source.height - height) / 2.0));
    Picture result{width, height, {}};
    result.rgb.reserve(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
    for (int y = 0; y < height; ++y) {
        const auto start =
            source.rgb.begin() + (static_cast<std::ptrdiff_t>(top + y) * source.width + left) * 3;
        result.rgb.insert(result.rgb.end(), start, start + std::ptrdiff_t{width} * 3);
    }
    return result;
}

}  // namespace sluice::picture
