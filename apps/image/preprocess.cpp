#include "image/preprocess.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <new>

#include <nlohmann/json.hpp>

#include "image/codecs.h"

namespace sluice::image {
namespace {

using Metadata = std::map<std::string, std::string>;

Status wrong(const std::string& key, const std::string& needed) {
    return Status::error("the metadata \"" + key + "\" is not " + needed, "export the model again");
}

Status read_triple(const Metadata& metadata, const std::string& key, std::array<float, 3>& triple) {
    const auto entry = metadata.find(key);
    if (entry == metadata.end()) {
        return {};
    }
    const auto json = nlohmann::json::parse(entry->second, nullptr, false);
    const bool numbers =
        json.is_array() && json.size() == 3 &&
        std::all_of(json.begin(), json.end(), [](const auto& item) { return item.is_number(); });
    if (!numbers) {
        return wrong(key, "a JSON array of three numbers");
    }
    for (std::size_t c = 0; c < 3; ++c) {
        triple[c] = json[c].get<float>();
        if (!std::isfinite(triple[c])) {
            return wrong(key, "three finite numbers");
        }
    }
    return {};
}

Status read_interpolation(const Metadata& metadata, Interpolation& interpolation) {
    const std::string key = "sluice.interpolation";
    const auto entry = metadata.find(key);
    if (entry == metadata.end()) {
        return {};
    }
    const auto json = nlohmann::json::parse(entry->second, nullptr, false);
    const auto parsed =
        json.is_string() ? parse_interpolation(json.get<std::string>()) : std::nullopt;
    if (!parsed) {
        return wrong(key, "\"bilinear\" or \"bicubic\"");
    }
    interpolation = *parsed;
    return {};
}

// resize() works on the columns first: what lies between has the image's height.
Status check_resized(const Image& image, std::int64_t width, std::int64_t height) {
    if (width * std::max<std::int64_t>(height, image.height) > max_pixels) {
        return Status::error("is " + std::to_string(image.width) + "x" +
                                 std::to_string(image.height) + ", and resizing it to " +
                                 std::to_string(width) + "x" + std::to_string(height) +
                                 " takes over 64 Mi pixels",
                             "crop it first");
    }
    return {};
}

}  // namespace

Result<Preprocessing> read_preprocessing(const Metadata& metadata) {
    Preprocessing result;
    SLUICE_RETURN_IF_ERROR(read_triple(metadata, "sluice.mean", result.mean));
    SLUICE_RETURN_IF_ERROR(read_triple(metadata, "sluice.std", result.deviation));
    for (const float deviation : result.deviation) {
        if (deviation <= 0.0f) {
            return wrong("sluice.std", "three positive numbers");
        }
    }
    const std::string key = "sluice.resize_shorter_side";
    if (const auto entry = metadata.find(key); entry != metadata.end()) {
        const auto json = nlohmann::json::parse(entry->second, nullptr, false);
        if (!json.is_number_integer() || json < 1 || json > max_side) {
            return wrong(key, "an integer of 1 to 32768");
        }
        result.shorter_side = json.get<int>();
    }
    SLUICE_RETURN_IF_ERROR(read_interpolation(metadata, result.interpolation));
    return result;
}

std::optional<Interpolation> parse_interpolation(const std::string& word) {
    if (word == "bilinear") {
        return Interpolation::bilinear;
    }
    return word == "bicubic" ? std::optional(Interpolation::bicubic) : std::nullopt;
}

Result<std::vector<std::string>> read_labels(const Metadata& metadata) {
    const auto entry = metadata.find("sluice.labels");
    if (entry == metadata.end()) {
        return std::vector<std::string>{};
    }
    const auto json = nlohmann::json::parse(entry->second, nullptr, false);
    const bool strings =
        json.is_array() &&
        std::all_of(json.begin(), json.end(), [](const auto& item) { return item.is_string(); });
    if (!strings) {
        return wrong("sluice.labels", "a JSON array of strings");
    }
    std::vector<std::string> labels;
    for (const auto& item : json) {
        labels.push_back(item.get<std::string>());
    }
    return labels;
}

Result<Image> fit(const Image& image, const Preprocessing& preprocessing, int width, int height) {
    std::int64_t scaled_width = width, scaled_height = height;
    if (preprocessing.shorter_side) {
        const std::int64_t shorter = *preprocessing.shorter_side;
        const std::int64_t least = std::min(image.width, image.height);
        scaled_width = shorter * image.width / least;
        scaled_height = shorter * image.height / least;
    }
    SLUICE_RETURN_IF_ERROR(check_resized(image, scaled_width, scaled_height));
    try {
        Image scaled = resize(image, static_cast<int>(scaled_width),
                              static_cast<int>(scaled_height), preprocessing.interpolation);
        return preprocessing.shorter_side ? centre_crop(scaled, width, height) : scaled;
    } catch (const std::bad_alloc&) {
        return out_of_memory();
    }
}

void to_nchw(const Image& image, const Preprocessing& preprocessing, std::span<float> nchw) {
    const std::size_t plane = image.rgb.size() / 3;
    for (std::size_t c = 0; c < 3; ++c) {
        for (std::size_t i = 0; i < plane; ++i) {
            const float sample = static_cast<float>(image.rgb[3 * i + c]) / 255.0f;
            nchw[c * plane + i] = (sample - preprocessing.mean[c]) / preprocessing.deviation[c];
        }
    }
}

void to_nchw(const Image& image, std::span<std::uint8_t> nchw) {
    const std::size_t plane = image.rgb.size() / 3;
    for (std::size_t i = 0; i < nchw.size(); ++i) {
        nchw[i] = image.rgb[3 * (i % plane) + i / plane];
    }
}

}  // namespace sluice::image
