#include <cctype>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>

#include "image/codecs.h"

namespace sluice::image {
namespace {

// The tokens of a PPM: decimal numbers between white space and "#" comments.
class Scanner {
public:
    explicit Scanner(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    std::optional<std::int64_t> number() {
        skip_space();
        std::int64_t value = 0;
        const std::size_t start = at_;
        while (at_ < bytes_.size() && std::isdigit(bytes_[at_])) {
            value = value * 10 + (bytes_[at_++] - '0');
            if (value > (std::int64_t{1} << 31)) {
                return std::nullopt;
            }
        }
        return at_ == start ? std::nullopt : std::optional(value);
    }

    /// What follows the single white space after the header.
    std::optional<std::span<const std::uint8_t>> raster() const {
        if (at_ >= bytes_.size() || !std::isspace(bytes_[at_])) {
            return std::nullopt;
        }
        return bytes_.subspan(at_ + 1);
    }

    std::size_t left() const { return bytes_.size() - at_; }

private:
    void skip_space() {
        while (at_ < bytes_.size() && (std::isspace(bytes_[at_]) || bytes_[at_] == '#')) {
            if (bytes_[at_] == '#') {
                while (at_ < bytes_.size() && bytes_[at_] != '\n' && bytes_[at_] != '\r') {
                    ++at_;
                }
            } else {
                ++at_;
            }
        }
    }

    std::span<const std::uint8_t> bytes_;
    std::size_t at_ = 2;  // past "P3" or "P6"
};

// Half to even, as Pillow rounds.
std::uint8_t to_byte(std::int64_t sample, std::int64_t maximum) {
    return static_cast<std::uint8_t>(
        std::lrint(static_cast<double>(sample) / static_cast<double>(maximum) * 255.0));
}

Status read_text(Scanner& scanner, std::int64_t maximum, std::span<std::uint8_t> rgb) {
    for (std::uint8_t& byte : rgb) {
        const auto sample = scanner.number();
        if (!sample) {
            return damaged("PPM", "a sample is missing");
        }
        if (*sample > maximum) {
            return damaged("PPM", "a sample is over the maximum");
        }
        byte = to_byte(*sample, maximum);
    }
    return {};
}

Status read_binary(std::span<const std::uint8_t> raster, std::int64_t maximum,
                   std::span<std::uint8_t> rgb) {
    const std::size_t width = maximum > 255 ? 2 : 1;
    if (raster.size() < rgb.size() * width) {
        return damaged("PPM", "it is truncated");
    }
    for (std::size_t i = 0; i < rgb.size(); ++i) {
        const std::int64_t sample =
            width == 1 ? raster[i] : raster[2 * i] * 256 + raster[2 * i + 1];
        if (sample > maximum) {
            return damaged("PPM", "a sample is over the maximum");
        }
        rgb[i] = to_byte(sample, maximum);
    }
    return {};
}

}  // namespace

Result<Image> decode_ppm(std::span<const std::uint8_t> bytes) {
    Scanner scanner(bytes);
    const auto width = scanner.number();
    const auto height = scanner.number();
    const auto maximum = scanner.number();
    if (!width || !height || !maximum || *maximum < 1 || *maximum > 65535) {
        return damaged("PPM", "the header lacks a width, a height or a maximum of 1 to 65535");
    }
    SLUICE_RETURN_IF_ERROR(check_size(*width, *height));
    const auto samples = static_cast<std::size_t>(*width * *height * 3);
    // A sample takes at least a byte, so a short file is refused before memory is taken.
    if (scanner.left() < samples) {
        return damaged("PPM", "it is truncated");
    }
    Image image = blank(*width, *height);
    if (bytes[1] == '3') {
        SLUICE_RETURN_IF_ERROR(read_text(scanner, *maximum, image.rgb));
        return image;
    }
    const auto raster = scanner.raster();
    if (!raster) {
        return damaged("PPM", "no white space follows the header");
    }
    SLUICE_RETURN_IF_ERROR(read_binary(*raster, *maximum, image.rgb));
    return image;
}

}  // namespace sluice::image
