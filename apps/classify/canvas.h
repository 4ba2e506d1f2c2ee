#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "image/image.h"

namespace sluice::classify {

using Colour = std::array<std::uint8_t, 3>;

/// An image to draw on, in pixels from the top left corner. What lies outside is cut off.
class Canvas {
public:
    Canvas(int width, int height, Colour background);

    void fill(int left, int top, int width, int height, Colour colour);
    /// Nearest-neighbour scaling of all of `source` to width x height.
    void place(const image::Image& source, int left, int top, int width, int height);
    /// A line of text, `scale` pixels per dot; characters without a glyph become '?'.
    void write(std::string_view text, int left, int top, int scale, Colour colour);

    const image::Image& image() const { return image_; }

private:
    void set(int x, int y, Colour colour);
    image::Image image_;
};

}  // namespace sluice::classify
