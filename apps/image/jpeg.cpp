#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include <jpeglib.h>

#include <jerror.h>

#include "image/codecs.h"
#include "image/orientation.h"

namespace sluice::image {
namespace {

// Real progressive files have about ten. Each costs a pass over all coefficients, however short.
constexpr int max_scans = 100;

struct ErrorManager {
    jpeg_error_mgr base;  // first, so that libjpeg's pointer to it is a pointer to this
    std::jmp_buf resume;
    char message[JMSG_LENGTH_MAX];
    bool too_many_scans = false;
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
    switch (info->err->msg_code) {
        case JWRN_ADOBE_XFORM:
        case JWRN_EXTRANEOUS_DATA:
        case JWRN_JFIF_MAJOR:
        case JWRN_NOT_SEQUENTIAL:  // fields of no use in such a scan, which some cameras leave zero
            return;
        default:
            fail(info);
    }
}

void discard(j_common_ptr) {}

void count_scans(j_common_ptr info) {
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > max_scans) {
        auto* manager = reinterpret_cast<ErrorManager*>(info->err);
        manager->too_many_scans = true;
        std::longjmp(manager->resume, 1);
    }
}

// longjmp skips destructors: what must be freed lives here, outside every frame it leaves.
struct JpegReader {
    jpeg_decompress_struct info{};
    ErrorManager errors{};
    jpeg_progress_mgr progress{};

    JpegReader() {
        info.err = jpeg_std_error(&errors.base);
        errors.base.error_exit = fail;
        errors.base.emit_message = emit;
        errors.base.output_message = discard;
        progress.progress_monitor = count_scans;
    }
    JpegReader(const JpegReader&) = delete;
    JpegReader& operator=(const JpegReader&) = delete;
    ~JpegReader() { jpeg_destroy_decompress(&info); }
};

bool read_header(JpegReader& reader, std::span<const std::uint8_t> bytes) {
    if (setjmp(reader.errors.resume) != 0) {
        return false;
    }
    jpeg_create_decompress(&reader.info);
    reader.info.progress = &reader.progress;
    jpeg_mem_src(&reader.info, bytes.data(), static_cast<unsigned long>(bytes.size()));
    jpeg_save_markers(&reader.info, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&reader.info, TRUE);
    return true;
}

bool is_cmyk(const JpegReader& reader) { return reader.info.num_components == 4; }

// As Pillow has it: whoever writes CMYK inverts it, as Adobe does.
void cmyk_to_rgb(const std::uint8_t* cmyk, std::size_t width, std::uint8_t* rgb) {
    for (std::size_t x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
        const int black = cmyk[3];
        for (std::size_t c = 0; c < 3; ++c) {
            rgb[c] = static_cast<std::uint8_t>(black - ((255 - cmyk[c]) * black + 127) / 255);
        }
    }
}

// `cmyk` has room for one row of four samples per pixel where the file has as many.
bool read_rows(JpegReader& reader, std::uint8_t* cmyk, std::uint8_t* rgb) {
    if (setjmp(reader.errors.resume) != 0) {
        return false;
    }
    reader.info.out_color_space = is_cmyk(reader) ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&reader.info);
    const std::size_t width = reader.info.output_width;
    while (reader.info.output_scanline < reader.info.output_height) {
        std::uint8_t* target = rgb + 3 * width * reader.info.output_scanline;
        JSAMPROW row = is_cmyk(reader) ? cmyk : target;
        jpeg_read_scanlines(&reader.info, &row, 1);
        if (is_cmyk(reader)) {
            cmyk_to_rgb(cmyk, width, target);
        }
    }
    jpeg_finish_decompress(&reader.info);
    return true;
}

// What stands behind `signature` in the APP1 segments that begin with it, one after the other.
std::vector<std::uint8_t> segments(const JpegReader& reader, std::string_view signature) {
    std::vector<std::uint8_t> joined;
    for (auto* marker = reader.info.marker_list; marker != nullptr; marker = marker->next) {
        const std::string_view data(reinterpret_cast<const char*>(marker->data),
                                    marker->data_length);
        if (data.starts_with(signature)) {
            joined.insert(joined.end(), marker->data + signature.size(),
                          marker->data + marker->data_length);
        }
    }
    return joined;
}

Status failure(const JpegReader& reader) {
    if (reader.errors.too_many_scans) {
        return Status::error("is a JPEG of over " + std::to_string(max_scans) + " scans",
                             "save it again, not progressive");
    }
    if (reader.errors.base.msg_code == JERR_OUT_OF_MEMORY) {
        return out_of_memory();
    }
    return damaged("JPEG", reader.errors.message);
}

}  // namespace

Result<Image> decode_jpeg(std::span<const std::uint8_t> bytes) {
    JpegReader reader;
    if (!read_header(reader, bytes)) {
        return failure(reader);
    }
    const int components = reader.info.num_components;
    if (components != 1 && components != 3 && components != 4) {
        return Status::error("is a JPEG of " + std::to_string(components) + " colour components",
                             "convert it to RGB");
    }
    SLUICE_RETURN_IF_ERROR(check_size(reader.info.image_width, reader.info.image_height));
    const std::vector<std::uint8_t> exif = segments(reader, std::string_view("Exif\0\0", 6));
    const std::vector<std::uint8_t> xmp =
        segments(reader, std::string_view("http://ns.adobe.com/xap/1.0/\0", 29));
    Image image = blank(reader.info.image_width, reader.info.image_height);
    std::vector<std::uint8_t> cmyk(is_cmyk(reader) ? std::size_t{reader.info.image_width} * 4 : 0);
    if (!read_rows(reader, cmyk.data(), image.rgb.data())) {
        return failure(reader);
    }
    return upright(std::move(image), read_orientation(exif, xmp));
}

}  // namespace sluice::image
