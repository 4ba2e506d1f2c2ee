#pragma once

#include "picture/picture.h"

namespace sluice::picture {

Result<Picture> decode_jpeg(std::span<const std::uint8_t> bytes);
Result<Picture> decode_png(std::span<const std::uint8_t> bytes);
Result<Picture> decode_ppm(std::span<const std::uint8_t> bytes);

/// Fails for an empty picture and one over the limits of picture.h.
Status check_size(std::int64_t width, std::int64_t height);

}  // namespace sluice::picture
