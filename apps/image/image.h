#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "sluice/status.h"

namespace sluice::image {

/// 8-bit sRGB, [height, width, 3], row-major without padding.
struct Image {
    int width = 0;
    int height = 0;
    std::vector<std::uint8_t> rgb;
};

/// Larger images are refused before memory is taken for them.
inline constexpr std::int64_t max_side = 32768;
inline constexpr std::int64_t max_pixels = std::int64_t{1} << 26;
inline constexpr std::int64_t max_file_bytes = std::int64_t{1} << 28;

/// Decodes a JPEG, PNG, WebP or PPM (P3, P6), told apart by its first bytes, to the pixels that
/// Pillow gives for ImageOps.exif_transpose(image).convert("RGB"):
/// - It is turned as its EXIF or XMP orientation asks.
/// - Alpha is dropped, not blended. Colour profiles and gAMA are ignored.
/// - 16-bit samples are cut to their upper 8 bits, but those of 16-bit grey clipped at 255.
/// - CMYK is read as Adobe inverts it.
/// - Of an animation the first frame is taken.
/// Two things differ. A JPEG's samples may be off by one. A damaged or truncated JPEG, or one of
/// over 100 scans, fails where Pillow may fill in grey.
Result<Image> decode(std::span<const std::uint8_t> bytes);

/// Reads and decodes a file; a failure names it.
Result<Image> read(const std::filesystem::path& path);

/// The bytes of a PNG file.
Result<std::vector<std::uint8_t>> encode_png(const Image& image);

/// Writes a PNG aside and renames it, so that a failure leaves no partial file.
Status write_png(const std::filesystem::path& path, const Image& image);

/// The filter of a resize, Pillow's of that name: a triangle, or Keys' cubic of a = -0.5.
enum class Interpolation { bilinear, bicubic };

/// An image of the given size. The filter is widened by the scale where the image shrinks. One
/// pass, along columns or rows, equals Pillow's. After both, samples may be off by one, since
/// Pillow 13 at times begins with the rows. The same size gives the same bytes. Sizes must be
/// positive. Takes width x max(height, the source's height) pixels of memory, and may throw
/// std::bad_alloc.
Image resize(const Image& source, int width, int height,
             Interpolation interpolation = Interpolation::bilinear);

/// The middle of an image, cut as torchvision's CenterCrop does: an odd rest is rounded half to
/// even, and a side that exceeds the image's gets zeros around it.
Image centre_crop(const Image& source, int width, int height);

}  // namespace sluice::image
