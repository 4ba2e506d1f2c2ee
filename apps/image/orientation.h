#pragma once

#include <cstdint>
#include <span>

#include "image/image.h"

namespace sluice::image {

/// How an image is to be turned to be upright, 1 (not at all) to 8. It is the orientation tag of
/// `exif`, a TIFF with or without "Exif\0\0" before it. Where that lacks the tag, it is the one of
/// the XMP packet `xmp`. What is malformed counts as absent. Both may be empty.
int read_orientation(std::span<const std::uint8_t> exif, std::span<const std::uint8_t> xmp);

/// The image turned and mirrored as orientation 1 to 8 asks; 5 to 8 swap its sides.
Image upright(Image stored, int orientation);

}  // namespace sluice::image
