#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "picture/picture.h"

namespace sluice::classify {

using Colour = std::array<std::uint8_t, 3>;

/// A picture to draw on, in pixels from the top left corner. What lies outside is cut off.
class Canvas {
public:
    Canvas(int width, int height, Colour background);

    void fill(int left, int top, int width, int height, Colour colour);
    /// Nearest-neighbour scaling of all of `source` to width x height.
    void place(const picture::Picture& source, int left, int top, int width, int height);
    /// A line of text, `scale` pixels a dot; characters without a glyph become '?'.
    void write(std::string_view text, int left, int top, int scale, Colour colour);

    const picture::Picture& picture() const { return picture_; }

private:
    void set(int x, int y, Colour colour);
    picture::Picture picture_;
};

}  // namespace sluice::classify
