#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <string>

#include <jpeglib.h>

#include <jerror.h>

#include "picture/codecs.h"

namespace sluice::picture {
namespace {

struct ErrorManager {
    jpeg_error_mgr base;  // first, so that libjpeg's pointer to it is a pointer to this
    std::jmp_buf resume;
    char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void fail(j_common_ptr info) {
    auto* manager = reinterpret_cast<ErrorManager*>(info->err);
    manager->base.format_message(info, manager->message);
    std::longjmp(manager->resume, 1);
}

// libjpeg paints what is missing grey and warns. A grey half would be classified with confidence,
// so every warning about the coded data is a failure; those about harmless bytes are not.
void emit(j_common_ptr info, int level) {
    if (level >= 0) {
        return;
    }
    const int code = info->err->msg_code;
    if (code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR) {
        fail(info);
    }
}

void discard(j_common_ptr) {}

// longjmp skips destructors: what must be freed lives here, outside every frame it leaves.
struct Reader {
    jpeg_decompress_struct info{};
    ErrorManager errors{};

    Reader() {
        info.err = jpeg_std_error(&errors.base);
        errors.base.error_exit = fail;
        errors.base.emit_message = emit;
        errors.base.output_message = discard;
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() { jpeg_destroy_decompress(&info); }
};

bool read_header(Reader& reader, std::span<const std::uint8_t> bytes) {
    if (setjmp(reader.errors.resume) != 0) {
        return false;
    }
    jpeg_create_decompress(&reader.info);
    jpeg_mem_src(&reader.info, bytes.data(), static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&reader.info, TRUE);
    return true;
}

bool read_rows(Reader& reader, std::uint8_t* rgb) {
    if (setjmp(reader.errors.resume) != 0) {
        return false;
    }
    reader.info.out_color_space = JCS_RGB;
    jpeg_start_decompress(&reader.info);
    const std::size_t pitch = std::size_t{reader.info.output_width} * 3;
    while (reader.info.output_scanline < reader.info.output_height) {
        JSAMPROW row = rgb + pitch * reader.info.output_scanline;
        jpeg_read_scanlines(&reader.info, &row, 1);
    }
    jpeg_finish_decompress(&reader.info);
    return true;
}

Status damaged(const Reader& reader) {
    return Status::error(std::string("is a damaged JPEG: ") + reader.errors.message,
                         "fetch or save it again");
}

}  // namespace

Result<Picture> decode_jpeg(std::span<const std::uint8_t> bytes) {
    Reader reader;
    if (!read_header(reader, bytes)) {
        return damaged(reader);
    }
    if (reader.info.num_components != 1 && reader.info.num_components != 3) {
        return Status::error("is a JPEG of " + std::to_string(reader.info.num_components) +
                                 " colour components, CMYK perhaps",
                             "convert it to RGB");
    }
    SLUICE_RETURN_IF_ERROR(check_size(reader.info.image_width, reader.info.image_height));
    Picture picture;
    picture.width = static_cast<int>(reader.info.image_width);
    picture.height = static_cast<int>(reader.info.image_height);
    picture.rgb.resize(std::size_t{reader.info.image_width} * reader.info.image_height * 3);
    if (!read_rows(reader, picture.rgb.data())) {
        return damaged(reader);
    }
    return picture;
}

}  // namespace sluice::picture
