#pragma once

#include <string>
#include <string_view>

namespace sluice::classify {

inline constexpr int glyph_width = 5;
inline constexpr int glyph_height = 7;
/// From one character to the next, in dots.
inline constexpr int glyph_advance = 6;
/// Of a line of text, in dots: glyphs and what hangs below the base line.
inline constexpr int line_height = 9;

/// A character of 5 x 7 dots. `dots` holds its rows from the top, 5 characters each and a space
/// between them, '#' where ink is.
struct Glyph {
    char character;
    std::string_view dots;
    int drop;  ///< dots that the glyph hangs below the base line

    bool ink(int column, int row) const {
        return dots[static_cast<std::size_t>(row * (glyph_width + 1) + column)] == '#';
    }
};

/// The glyph of a printable ASCII character; the question mark's where there is none.
const Glyph& find_glyph(char character);

/// The text in characters that have glyphs: each UTF-8 sequence beyond ASCII becomes one '?'.
std::string to_drawable(std::string_view text);

/// Width of drawable text at a scale of whole pixels per dot, in pixels.
int text_width(std::string_view text, int scale);

/// The text, or its end behind "..", so that it is at most `width` pixels wide.
std::string shorten(std::string_view text, int scale, int width);

}  // namespace sluice::classify
