#include <png.h>

#include <cstring>
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

Status damaged(const Image& image) {
    return Status::error(std::string("is a damaged PNG: ") + image.png.message,
                         "fetch or save it again");
}

}  // namespace

Result<Picture> decode_png(std::span<const std::uint8_t> bytes) {
    Image image;
    if (!png_image_begin_read_from_memory(&image.png, bytes.data(), bytes.size())) {
        return damaged(image);
    }
    SLUICE_RETURN_IF_ERROR(check_size(image.png.width, image.png.height));
    // Otherwise 16-bit samples are taken for linear light and come out too bright.
    image.png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    image.png.format = PNG_FORMAT_RGB;
    Picture picture;
    picture.width = static_cast<int>(image.png.width);
    picture.height = static_cast<int>(image.png.height);
    picture.rgb.resize(PNG_IMAGE_SIZE(image.png));
    const png_color white = {255, 255, 255};
    if (!png_image_finish_read(&image.png, &white, picture.rgb.data(), 0, nullptr)) {
        return damaged(image);
    }
    return picture;
}

Status write_png(const std::filesystem::path& path, const Picture& picture) {
    Image image;
    image.png.width = static_cast<png_uint_32>(picture.width);
    image.png.height = static_cast<png_uint_32>(picture.height);
    image.png.format = PNG_FORMAT_RGB;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image.png);
    std::vector<std::uint8_t> bytes(size);
    if (!png_image_write_to_memory(&image.png, bytes.data(), &size, 0, picture.rgb.data(), 0,
                                   nullptr)) {
        return Status(Problem{path.string(),
                              {},
                              std::string("cannot be coded as a PNG: ") + image.png.message,
                              "check the picture's size"});
    }
    return write_file(path, std::span(bytes).first(size));
}

}  // namespace sluice::picture
