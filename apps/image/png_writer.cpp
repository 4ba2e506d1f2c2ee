#include <png.h>

#include <new>
#include <string>

#include "image/codecs.h"
#include "image/files.h"

namespace sluice::image {
namespace {

// libpng's simplified interface keeps its longjmp to itself.
struct PngImage {
    png_image png{};
    PngImage() { png.version = PNG_IMAGE_VERSION; }
    PngImage(const PngImage&) = delete;
    PngImage& operator=(const PngImage&) = delete;
    ~PngImage() { png_image_free(&png); }
};

Result<std::vector<std::uint8_t>> encode(const Image& image) {
    PngImage png;
    png.png.width = static_cast<png_uint_32>(image.width);
    png.png.height = static_cast<png_uint_32>(image.height);
    png.png.format = PNG_FORMAT_RGB;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png.png);
    std::vector<std::uint8_t> bytes(size);
    if (!png_image_write_to_memory(&png.png, bytes.data(), &size, 0, image.rgb.data(), 0,
                                   nullptr)) {
        return Status::error(std::string("cannot be coded as a PNG: ") + png.png.message,
                             "check the image's size");
    }
    bytes.resize(size);
    return bytes;
}

}  // namespace

Result<std::vector<std::uint8_t>> encode_png(const Image& image) {
    try {
        return encode(image);
    } catch (const std::bad_alloc&) {
        return out_of_memory();
    }
}

Status write_png(const std::filesystem::path& path, const Image& image) {
    const Result<std::vector<std::uint8_t>> bytes = encode_png(image);
    return bytes.ok() ? write_file(path, bytes.value())
                      : Status(bytes.status()).in_file(path.string());
}

}  // namespace sluice::image
