#include "image/image.h"

#include <new>
#include <string>

#include "image/codecs.h"
#include "image/files.h"

namespace sluice::image {

Status check_size(std::int64_t width, std::int64_t height) {
    if (width <= 0 || height <= 0) {
        return Status::error("has no pixels", "give an image of at least 1x1");
    }
    if (width > max_side || height > max_side || width * height > max_pixels) {
        return Status::error("is " + std::to_string(width) + "x" + std::to_string(height) +
                                 ", over 32768 a side or 64 Mi pixels",
                             "scale it down first");
    }
    return {};
}

Image blank(std::int64_t width, std::int64_t height) {
    return {static_cast<int>(width), static_cast<int>(height),
            std::vector<std::uint8_t>(static_cast<std::size_t>(width * height * 3))};
}

Status damaged(const char* format, const char* what) {
    return Status::error(std::string("is a damaged ") + format + ": " + what,
                         "fetch or save it again");
}

Status out_of_memory() { return Status::error("does not fit in memory", "scale it down first"); }

Result<Image> read(const std::filesystem::path& path) {
    try {
        Result<std::vector<std::uint8_t>> bytes = read_file(path);
        if (!bytes.ok()) {
            return bytes.status();
        }
        Result<Image> image = decode(bytes.value());
        if (!image.ok()) {
            return Status(image.status()).in_file(path.string());
        }
        return image;
    } catch (const std::bad_alloc&) {
        return out_of_memory().in_file(path.string());
    }
}

}  // namespace sluice::image
