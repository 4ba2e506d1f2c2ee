#include <webp/decode.h>
#include <webp/demux.h>

#include <cstddef>
#include <memory>

#include "image/codecs.h"
#include "image/orientation.h"

namespace sluice::image {
namespace {

struct DeleteDemuxer {
    void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};
using WebPDemuxerOwner = std::unique_ptr<WebPDemuxer, DeleteDemuxer>;

struct WebPFrame {
    WebPIterator iterator{};
    WebPFrame() = default;
    WebPFrame(const WebPFrame&) = delete;
    WebPFrame& operator=(const WebPFrame&) = delete;
    ~WebPFrame() { WebPDemuxReleaseIterator(&iterator); }
};

struct WebPChunk {
    WebPChunkIterator iterator{};
    WebPChunk(const WebPDemuxer* demuxer, const char* name) {
        found = WebPDemuxGetChunk(demuxer, name, 1, &iterator) != 0;
    }
    WebPChunk(const WebPChunk&) = delete;
    WebPChunk& operator=(const WebPChunk&) = delete;
    ~WebPChunk() { WebPDemuxReleaseChunkIterator(&iterator); }

    std::span<const std::uint8_t> bytes() const {
        return found ? std::span(iterator.chunk.bytes, iterator.chunk.size)
                     : std::span<const std::uint8_t>();
    }

    bool found = false;
};

// Into its place on the canvas, which an animation's first frame need not fill.
Status decode_frame(const WebPIterator& frame, Image& canvas) {
    WebPDecoderConfig config;
    if (WebPInitDecoderConfig(&config) == 0) {
        return Status::error("needs another version of libwebp", "build Sluice again");
    }
    const std::size_t stride = std::size_t{3} * static_cast<std::size_t>(canvas.width);
    const std::size_t first = stride * static_cast<std::size_t>(frame.y_offset) +
                              std::size_t{3} * static_cast<std::size_t>(frame.x_offset);
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = canvas.rgb.data() + first;
    config.output.u.RGBA.stride = static_cast<int>(stride);
    config.output.u.RGBA.size = canvas.rgb.size() - first;
    switch (WebPDecode(frame.fragment.bytes, frame.fragment.size, &config)) {
        case VP8_STATUS_OK:
            return {};
        case VP8_STATUS_OUT_OF_MEMORY:
            return out_of_memory();
        case VP8_STATUS_SUSPENDED:
        case VP8_STATUS_NOT_ENOUGH_DATA:
            return damaged("WebP", "it is truncated");
        default:
            return damaged("WebP", "its pixels cannot be decoded");
    }
}

}  // namespace

Result<Image> decode_webp(std::span<const std::uint8_t> bytes) {
    const WebPData data = {bytes.data(), bytes.size()};
    const WebPDemuxerOwner demuxer(WebPDemux(&data));
    if (!demuxer) {
        return damaged("WebP", "its chunks are broken, or it is truncated");
    }
    const std::int64_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
    const std::int64_t height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
    SLUICE_RETURN_IF_ERROR(check_size(width, height));
    WebPFrame frame;
    if (WebPDemuxGetFrame(demuxer.get(), 1, &frame.iterator) == 0) {
        return damaged("WebP", "it has no frame");
    }
    Image image = blank(width, height);
    SLUICE_RETURN_IF_ERROR(decode_frame(frame.iterator, image));
    const WebPChunk exif(demuxer.get(), "EXIF"), xmp(demuxer.get(), "XMP ");
    return upright(std::move(image), read_orientation(exif.bytes(), xmp.bytes()));
}

}  // namespace sluice::image
