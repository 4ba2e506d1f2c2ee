#include "classify/canvas.h"

#include <algorithm>
#include <cstddef>

#include "classify/font.h"

namespace sluice::classify {

Canvas::Canvas(int width, int height, Colour background)
    : image_{width, height,
             std::vector<std::uint8_t>(static_cast<std::size_t>(width) *
                                       static_cast<std::size_t>(height) * 3)} {
    fill(0, 0, width, height, background);
}

void Canvas::set(int x, int y, Colour colour) {
    if (x < 0 || y < 0 || x >= image_.width || y >= image_.height) {
        return;
    }
    const std::size_t pixel = static_cast<std::size_t>(y) * static_cast<std::size_t>(image_.width) +
                              static_cast<std::size_t>(x);
    std::copy(colour.begin(), colour.end(),
              image_.rgb.begin() + static_cast<std::ptrdiff_t>(3 * pixel));
}

void Canvas::fill(int left, int top, int width, int height, Colour colour) {
    for (int y = top; y < top + height; ++y) {
        for (int x = left; x < left + width; ++x) {
            set(x, y, colour);
        }
    }
}

void Canvas::place(const image::Image& source, int left, int top, int width, int height) {
    for (std::int64_t y = 0; y < height; ++y) {
        const std::int64_t row = y * source.height / height * source.width;
        for (std::int64_t x = 0; x < width; ++x) {
            const auto pixel = static_cast<std::size_t>(row + x * source.width / width);
            const std::uint8_t* rgb = &source.rgb[3 * pixel];
            set(left + static_cast<int>(x), top + static_cast<int>(y), {rgb[0], rgb[1], rgb[2]});
        }
    }
}

void Canvas::write(std::string_view text, int left, int top, int scale, Colour colour) {
    for (const char character : to_drawable(text)) {
        const Glyph& glyph = find_glyph(character);
        for (int row = 0; row < glyph_height; ++row) {
            for (int column = 0; column < glyph_width; ++column) {
                if (glyph.ink(column, row)) {
                    fill(left + column * scale, top + (row + glyph.drop) * scale, scale, scale,
                         colour);
                }
            }
        }
        left += glyph_advance * scale;
    }
}

}  // namespace sluice::classify
