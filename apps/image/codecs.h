#pragma once

#include "image/image.h"

namespace sluice::image {

// Each decodes a whole file of its format, upright, and may throw std::bad_alloc.
Result<Image> decode_jpeg(std::span<const std::uint8_t> bytes);
Result<Image> decode_png(std::span<const std::uint8_t> bytes);
Result<Image> decode_ppm(std::span<const std::uint8_t> bytes);
Result<Image> decode_webp(std::span<const std::uint8_t> bytes);

/// Fails for an empty image and one over the limits of image.h.
Status check_size(std::int64_t width, std::int64_t height);

/// An image of zeros; its size must have passed check_size.
Image blank(std::int64_t width, std::int64_t height);

/// "is a damaged FORMAT: WHAT".
Status damaged(const char* format, const char* what);

/// The failure of an image that needs more memory than there is.
Status out_of_memory();

}  // namespace sluice::image
