#include <png.h>

#include <algorithm>
#include <cctype>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include "image/codecs.h"
#include "image/orientation.h"

namespace sluice::image {
namespace {

// Text chunks are compressed: what all of them may hold is bounded, so that a small file cannot
// take gigabytes.
constexpr png_uint_32 max_chunks = 64;
constexpr png_alloc_size_t max_chunk_bytes = png_alloc_size_t{1} << 20;
constexpr std::size_t max_message = 200;

[[noreturn]] void fail(png_structp png, png_const_charp message) {
    std::snprintf(static_cast<char*>(png_get_error_ptr(png)), max_message, "%s", message);
    png_longjmp(png, 1);
}

void discard(png_structp, png_const_charp) {}

// longjmp skips destructors: what must be freed lives here, outside every frame it leaves.
struct PngReader {
    explicit PngReader(std::span<const std::uint8_t> all) : left(all) {
        png = png_create_read_struct(PNG_LIBPNG_VER_STRING, message, fail, discard);
        info = png != nullptr ? png_create_info_struct(png) : nullptr;
    }
    PngReader(const PngReader&) = delete;
    PngReader& operator=(const PngReader&) = delete;
    ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }

    std::span<const std::uint8_t> left;
    char message[max_message] = {};
    png_structp png = nullptr;
    png_infop info = nullptr;
    bool is_grey16 = false;
};

// The part of the file up to the first chunk that ends behind it. libpng takes the memory that a
// chunk claims, up to 2 GiB, before it finds the file too short.
std::span<const std::uint8_t> whole_chunks(std::span<const std::uint8_t> bytes) {
    constexpr std::size_t signature = 8, around = 12;
    std::size_t end = signature;
    while (end + around <= bytes.size()) {
        const std::size_t length = png_get_uint_32(&bytes[end]);
        if (length > bytes.size() - end - around) {
            break;
        }
        end += around + length;
    }
    return bytes.first(std::min(end, bytes.size()));
}

void take(png_structp png, png_bytep target, std::size_t size) {
    auto& left = static_cast<PngReader*>(png_get_io_ptr(png))->left;
    if (left.size() < size) {
        png_error(png, "it is truncated");
    }
    std::memcpy(target, left.data(), size);
    left = left.subspan(size);
}

bool read_header(PngReader& reader) {
    if (setjmp(png_jmpbuf(reader.png)) != 0) {
        return false;
    }
    png_set_read_fn(reader.png, &reader, take);
    png_set_chunk_cache_max(reader.png, max_chunks);
    png_set_chunk_malloc_max(reader.png, max_chunk_bytes);
    // Of what is not pixels, only that which may name the orientation.
    png_set_keep_unknown_chunks(reader.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    const png_byte used[] = "eXIf\0tEXt\0zTXt\0iTXt";
    png_set_keep_unknown_chunks(reader.png, PNG_HANDLE_CHUNK_AS_DEFAULT, used, sizeof(used) / 5);
    png_read_info(reader.png, reader.info);
    return true;
}

// Rows of RGB, but of big-endian samples where the file is 16-bit grey. `rgb` has 3 bytes per
// pixel.
bool read_rows(PngReader& reader, std::uint8_t* rgb) {
    if (setjmp(png_jmpbuf(reader.png)) != 0) {
        return false;
    }
    if (!reader.is_grey16) {
        png_set_expand(reader.png);
        png_set_strip_16(reader.png);
        png_set_strip_alpha(reader.png);
        png_set_gray_to_rgb(reader.png);
    }
    const int passes = png_set_interlace_handling(reader.png);
    png_read_update_info(reader.png, reader.info);
    const std::size_t width = png_get_image_width(reader.png, reader.info);
    const png_uint_32 height = png_get_image_height(reader.png, reader.info);
    if (png_get_rowbytes(reader.png, reader.info) != width * (reader.is_grey16 ? 2 : 3)) {
        png_error(reader.png, "its rows are of an unknown form");
    }
    for (int pass = 0; pass < passes; ++pass) {
        for (png_uint_32 y = 0; y < height; ++y) {
            png_read_row(reader.png, rgb + 3 * width * y, nullptr);
        }
    }
    return true;
}

// The orientation may follow the pixels. They are complete, so damage here is no failure.
void read_tail(PngReader& reader) {
    if (setjmp(png_jmpbuf(reader.png)) == 0) {
        png_read_end(reader.png, reader.info);
    }
}

// From two bytes per pixel at the start of each row to three; from the right, so that none is
// written before it is read.
void grey16_to_rgb(Image& image) {
    const auto width = static_cast<std::size_t>(image.width);
    for (std::size_t y = 0; y < static_cast<std::size_t>(image.height); ++y) {
        std::uint8_t* row = &image.rgb[3 * width * y];
        for (std::size_t x = width; x-- > 0;) {
            const std::uint8_t grey = row[2 * x] > 0 ? 255 : row[2 * x + 1];
            std::memset(row + 3 * x, grey, 3);
        }
    }
}

std::span<const std::uint8_t> text_chunk(const PngReader& reader, std::string_view key) {
    png_textp texts = nullptr;
    const int count = png_get_text(reader.png, reader.info, &texts, nullptr);
    for (int i = 0; i < count; ++i) {
        if (texts[i].key == key) {
            const std::size_t size =
                texts[i].compression > 0 ? texts[i].itxt_length : texts[i].text_length;
            return {reinterpret_cast<const std::uint8_t*>(texts[i].text), size};
        }
    }
    return {};
}

int hex_digit(std::uint8_t digit) {
    return std::isdigit(digit) ? digit - '0' : std::tolower(digit) - 'a' + 10;
}

// ImageMagick's form of EXIF: three lines that say what it is and how long, then hexadecimal.
std::vector<std::uint8_t> read_raw_profile(std::span<const std::uint8_t> text) {
    std::vector<std::uint8_t> bytes;
    int lines = 0, digits = 0;
    for (const std::uint8_t letter : text) {
        if (letter == '\n') {
            ++lines;
        } else if (lines >= 3 && std::isxdigit(letter)) {
            if (digits++ % 2 == 0) {
                bytes.push_back(static_cast<std::uint8_t>(hex_digit(letter) * 16));
            } else {
                bytes.back() = static_cast<std::uint8_t>(bytes.back() + hex_digit(letter));
            }
        }
    }
    return bytes;
}

int find_orientation(const PngReader& reader) {
    const auto xmp = text_chunk(reader, "XML:com.adobe.xmp");
    png_bytep exif = nullptr;
    png_uint_32 size = 0;
    if (png_get_eXIf_1(reader.png, reader.info, &size, &exif) != 0) {
        return read_orientation({exif, size}, xmp);
    }
    return read_orientation(read_raw_profile(text_chunk(reader, "Raw profile type exif")), xmp);
}

}  // namespace

Result<Image> decode_png(std::span<const std::uint8_t> bytes) {
    PngReader reader(whole_chunks(bytes));
    if (reader.info == nullptr) {
        return out_of_memory();
    }
    if (!read_header(reader)) {
        return damaged("PNG", reader.message);
    }
    const png_uint_32 width = png_get_image_width(reader.png, reader.info);
    const png_uint_32 height = png_get_image_height(reader.png, reader.info);
    SLUICE_RETURN_IF_ERROR(check_size(width, height));
    reader.is_grey16 = png_get_bit_depth(reader.png, reader.info) == 16 &&
                       png_get_color_type(reader.png, reader.info) == PNG_COLOR_TYPE_GRAY;
    Image image = blank(width, height);
    if (!read_rows(reader, image.rgb.data())) {
        return damaged("PNG", reader.message);
    }
    read_tail(reader);
    if (reader.is_grey16) {
        grey16_to_rgb(image);
    }
    return upright(std::move(image), find_orientation(reader));
}

}  // namespace sluice::image
