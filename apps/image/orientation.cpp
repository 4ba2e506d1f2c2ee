#include "image/orientation.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <optional>
#include <string_view>

namespace sluice::image {
namespace {

using Bytes = std::span<const std::uint8_t>;

std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The integers of a TIFF, in the byte order that its header names; none past its end.
class Tiff {
public:
    Tiff(Bytes bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}

    std::optional<std::uint32_t> integer(std::size_t at, std::size_t size) const {
        if (at > bytes_.size() || bytes_.size() - at < size) {
            return std::nullopt;
        }
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < size; ++i) {
            value = value << 8 | bytes_[at + (big_endian_ ? i : size - 1 - i)];
        }
        return value;
    }

private:
    Bytes bytes_;
    bool big_endian_;
};

// The first of an entry's values. EXIF wants a SHORT; Pillow takes a LONG as well.
std::optional<std::uint32_t> first_value(const Tiff& tiff, std::size_t entry) {
    const std::uint32_t type = tiff.integer(entry + 2, 2).value_or(0);
    const std::uint32_t count = tiff.integer(entry + 4, 4).value_or(0);
    const std::size_t size = type == 3 ? 2 : type == 4 ? 4 : 0;
    if (size == 0 || count == 0) {
        return std::nullopt;
    }
    // Up to four bytes of values stand in the entry itself, more where it points to.
    if (count <= 4 / size) {
        return tiff.integer(entry + 8, size);
    }
    const std::optional<std::uint32_t> at = tiff.integer(entry + 8, 4);
    return at ? tiff.integer(*at, size) : std::nullopt;
}

std::optional<std::uint32_t> exif_orientation(Bytes bytes) {
    constexpr std::string_view prefix("Exif\0\0", 6);
    if (as_text(bytes).starts_with(prefix)) {
        bytes = bytes.subspan(prefix.size());
    }
    const std::string_view text = as_text(bytes);
    const bool big_endian = text.starts_with(std::string_view("MM\0*", 4));
    if (!big_endian && !text.starts_with(std::string_view("II*\0", 4))) {
        return std::nullopt;
    }
    const Tiff tiff(bytes, big_endian);
    const std::size_t directory = tiff.integer(4, 4).value_or(0);
    const std::uint32_t entries = tiff.integer(directory, 2).value_or(0);
    for (std::uint32_t i = 0; i < entries; ++i) {
        const std::size_t entry = directory + 2 + std::size_t{12} * i;
        if (tiff.integer(entry, 2) == 0x0112u) {
            return first_value(tiff, entry);
        }
    }
    return std::nullopt;
}

// An attribute, tiff:Orientation="6", or an element, <tiff:Orientation>6<.
std::optional<std::uint32_t> xmp_orientation(Bytes bytes) {
    const std::string_view text = as_text(bytes);
    constexpr std::string_view name = "tiff:Orientation";
    for (std::size_t at = text.find(name); at != text.npos; at = text.find(name, at)) {
        at += name.size();
        const std::string_view rest = text.substr(at);
        const std::size_t digit = rest.starts_with("=\"") ? 2 : rest.starts_with('>') ? 1 : 0;
        if (digit > 0 && rest.size() > digit &&
            std::isdigit(static_cast<unsigned char>(rest[digit]))) {
            return static_cast<std::uint32_t>(rest[digit] - '0');
        }
    }
    return std::nullopt;
}

}  // namespace

int read_orientation(std::span<const std::uint8_t> exif, std::span<const std::uint8_t> xmp) {
    std::optional<std::uint32_t> orientation = exif_orientation(exif);
    if (!orientation) {
        orientation = xmp_orientation(xmp);
    }
    return orientation && *orientation >= 1 && *orientation <= 8 ? static_cast<int>(*orientation)
                                                                 : 1;
}

Image upright(Image stored, int orientation) {
    if (orientation == 1) {
        return stored;
    }
    const bool swaps = orientation >= 5;
    const bool mirrors_columns =
        orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const bool mirrors_rows =
        orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    const std::ptrdiff_t width = stored.width, height = stored.height;
    // From one stored pixel to its right and lower neighbour, as the turned image goes through
    // them.
    const std::ptrdiff_t column = mirrors_columns ? -3 : 3;
    const std::ptrdiff_t row = mirrors_rows ? -3 * width : 3 * width;
    const std::ptrdiff_t first =
        (mirrors_columns ? 3 * (width - 1) : 0) + (mirrors_rows ? 3 * width * (height - 1) : 0);
    Image turned{swaps ? stored.height : stored.width, swaps ? stored.width : stored.height, {}};
    turned.rgb.resize(stored.rgb.size());
    std::uint8_t* target = turned.rgb.data();
    for (int y = 0; y < turned.height; ++y) {
        for (int x = 0; x < turned.width; ++x) {
            const std::uint8_t* pixel =
                stored.rgb.data() + first + (swaps ? y * column + x * row : y * row + x * column);
            target = std::copy_n(pixel, 3, target);
        }
    }
    return turned;
}

}  // namespace sluice::image
