#include "image/formats.h"

#include <algorithm>
#include <cctype>
#include <new>
#include <string_view>
#include <vector>

#include "image/codecs.h"

namespace sluice::image {
namespace {

using Bytes = std::span<const std::uint8_t>;

bool holds(Bytes bytes, std::size_t at, std::string_view text) {
    return bytes.size() >= at + text.size() &&
           std::equal(text.begin(), text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at),
                      [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

struct Format {
    std::vector<std::string_view> extensions;
    bool (*begins)(Bytes);
    Result<Image> (*decode)(Bytes);
};

// The one place that lists what is read, but for the names in the messages below.
const std::vector<Format>& formats() {
    static const std::vector<Format> all = {
        {{".jpg", ".jpeg", ".jpe", ".jfif"},
         [](Bytes bytes) { return holds(bytes, 0, "\xff\xd8\xff"); },
         decode_jpeg},
        {{".png"}, [](Bytes bytes) { return holds(bytes, 0, "\x89PNG\r\n\x1a\n"); }, decode_png},
        {{".webp"},
         [](Bytes bytes) { return holds(bytes, 0, "RIFF") && holds(bytes, 8, "WEBP"); },
         decode_webp},
        {{".ppm"},
         [](Bytes bytes) { return holds(bytes, 0, "P3") || holds(bytes, 0, "P6"); },
         decode_ppm}};
    return all;
}

Result<Image> decode_by_content(Bytes bytes) {
    if (bytes.empty()) {
        return Status::error("is empty", "give a JPEG, PNG, WebP or PPM image");
    }
    for (const Format& format : formats()) {
        if (format.begins(bytes)) {
            return format.decode(bytes);
        }
    }
    return Status::error("is not a JPEG, PNG, WebP or PPM (P3, P6)", "convert it to one of these");
}

}  // namespace

bool has_image_extension(const std::filesystem::path& path) {
    std::string extension = path.extension().string();
    std::transform(extension.begin(), extension.end(), extension.begin(),
                   [](unsigned char letter) { return std::tolower(letter); });
    return std::any_of(formats().begin(), formats().end(), [&](const Format& format) {
        return std::count(format.extensions.begin(), format.extensions.end(), extension) > 0;
    });
}

std::string image_extensions() {
    std::vector<std::string_view> all;
    for (const Format& format : formats()) {
        all.insert(all.end(), format.extensions.begin(), format.extensions.end());
    }
    std::string list;
    for (std::size_t i = 0; i < all.size(); ++i) {
        list += i == 0 ? "" : i + 1 == all.size() ? " or " : ", ";
        list += all[i];
    }
    return list;
}

Result<Image> decode(std::span<const std::uint8_t> bytes) {
    try {
        return decode_by_content(bytes);
    } catch (const std::bad_alloc&) {
        return out_of_memory();
    }
}

}  // namespace sluice::image
