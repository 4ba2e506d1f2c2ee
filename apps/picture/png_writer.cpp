#include <png.h>

#include <new>
#include <string>

#include "picture/codecs.h"
#include "picture/files.h"

namespace sluice::picture {
namespace {

// libpng's simplified interface keeps its longjmp to itself.
struct Image {
    png_image png{};
    Image() { png.version = PNG_IMAGE_VERSION; }
    Image(const Image&) = delete;
    Image& operator=(const Image&) = delete;
    ~Image() { png_image_free(&png); }
};

Result<std::vector<std::uint8_t>> encode(const Picture& picture) {
    Image image;
    image.png.width = static_cast<png_uint_32>(picture.width);
    image.png.height = static_cast<png_uint_32>(picture.height);
    image.png.format = PNG_FORMAT_RGB;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image.png);
    std::vector<std::uint8_t> bytes(size);
    if (!png_image_write_to_memory(&image.png, bytes.data(), &size, 0, picture.rgb.data(), 0,
                                   nullptr)) {
        return Status::error(std::string("cannot be coded as a PNG: ") + image.png.message,
                             "check the picture's size");
    }
    bytes.resize(size);
    return bytes;
}

}  // namespace

Result<std::vector<std::uint8_t>> encode_png(const Picture& picture) {
    try {
        return encode(picture);
    } catch (const std::bad_alloc&) {
        return out_of_memory();
    }
}

Status write_png(const std::filesystem::path& path, const Picture& picture) {
    const Result<std::vector<std::uint8_t>> bytes = encode_png(picture);
    return bytes.ok() ? write_file(path, bytes.value())
                      : Status(bytes.status()).in_file(path.string());
}

}  // namespace sluice::picture
