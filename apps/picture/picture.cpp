#include "picture/picture.h"

#include <algorithm>
#include <array>
#include <new>
#include <string>

#include "picture/codecs.h"
#include "picture/files.h"

namespace sluice::picture {
namespace {

bool starts_with(std::span<const std::uint8_t> bytes, std::span<const std::uint8_t> start) {
    return bytes.size() >= start.size() && std::equal(start.begin(), start.end(), bytes.begin());
}

Result<Picture> decode_by_content(std::span<const std::uint8_t> bytes) {
    constexpr std::array<std::uint8_t, 8> png = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    constexpr std::array<std::uint8_t, 3> jpeg = {0xff, 0xd8, 0xff};
    if (bytes.empty()) {
        return Status::error("is empty", "give a JPEG, PNG or PPM picture");
    }
    if (starts_with(bytes, png)) {
        return decode_png(bytes);
    }
    if (starts_with(bytes, jpeg)) {
        return decode_jpeg(bytes);
    }
    if (bytes.size() >= 2 && bytes[0] == 'P' && (bytes[1] == '3' || bytes[1] == '6')) {
        return decode_ppm(bytes);
    }
    return Status::error("is not a JPEG, PNG or PPM (P3, P6)", "convert it to one of these");
}

}  // namespace

Status check_size(std::int64_t width, std::int64_t height) {
    if (width <= 0 || height <= 0) {
        return Status::error("has no pixels", "give a picture of at least 1x1");
    }
    if (width > max_side || height > max_side || width * height > max_pixels) {
        return Status::error("is " + std::to_string(width) + "x" + std::to_string(height) +
                                 ", over 32768 a side or 64 Mi pixels",
                             "scale it down first");
    }
    return {};
}

Result<Picture> decode(std::span<const std::uint8_t> bytes) {
    try {
        return decode_by_content(bytes);
    } catch (const std::bad_alloc&) {
        return Status::error("does not fit in memory", "scale it down first");
    }
}

Result<Picture> read(const std::filesystem::path& path) {
    try {
        Result<std::vector<std::uint8_t>> bytes = read_file(path);
        if (!bytes.ok()) {
            return bytes.status();
        }
        Result<Picture> picture = decode(bytes.value());
        if (!picture.ok()) {
            return Status(picture.status()).in_file(path.string());
        }
        return picture;
    } catch (const std::bad_alloc&) {
        return Status(Problem{path.string(), {}, "does not fit in memory", "scale it down first"});
    }
}

}  // namespace sluice::picture
