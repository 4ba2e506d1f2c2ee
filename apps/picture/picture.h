#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "sluice/status.h"

namespace sluice::picture {

/// 8-bit sRGB, [height, width, 3], row-major without padding.
struct Picture {
    int width = 0;
    int height = 0;
    std::vector<std::uint8_t> rgb;
};

/// Larger pictures are refused before memory is taken for them.
inline constexpr std::int64_t max_side = 32768;
inline constexpr std::int64_t max_pixels = std::int64_t{1} << 26;
inline constexpr std::int64_t max_file_bytes = std::int64_t{1} << 28;

/// Decodes a JPEG, PNG or PPM (P3, P6), told apart by its first bytes. Grey becomes RGB, 16 bits
/// become 8, transparent pixels are laid over white. CMYK JPEGs, truncated and damaged pictures
/// fail.
Result<Picture> decode(std::span<const std::uint8_t> bytes);

/// Reads and decodes a file; a failure names it.
Result<Picture> read(const std::filesystem::path& path);

/// Writes a PNG aside and renames it, so that a failure leaves no partial file.
Status write_png(const std::filesystem::path& path, const Picture& picture);

/// A picture of the given size, filtered by the triangle of Pillow's BILINEAR, widened by the
/// scale where the picture shrinks. The same size gives the same bytes. Sizes must be positive.
Picture resize(const Picture& source, int width, int height);

/// The middle of a picture; the size must not exceed the picture's.
Picture centre_crop(const Picture& source, int width, int height);

}  // namespace sluice::picture
