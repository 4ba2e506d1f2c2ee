#include "common/image_options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>

namespace sluice::apps {
namespace {

std::optional<std::array<float, 3>> parse_triple(const std::string& text) {
    std::array<float, 3> triple;
    const char* at = text.data();
    const char* const end = at + text.size();
    for (std::size_t c = 0; c < 3; ++c) {
        if (c > 0 && (at == end || *at++ != ',')) {
            return std::nullopt;
        }
        const auto [next, fault] = std::from_chars(at, end, triple[c]);
        if (fault != std::errc() || !std::isfinite(triple[c])) {
            return std::nullopt;
        }
        at = next;
    }
    return at == end ? std::optional(triple) : std::nullopt;
}

}  // namespace

image::Preprocessing ImageOptions::over(image::Preprocessing preprocessing) const {
    preprocessing.mean = mean.value_or(preprocessing.mean);
    preprocessing.deviation = deviation.value_or(preprocessing.deviation);
    preprocessing.interpolation = interpolation.value_or(preprocessing.interpolation);
    if (resize) {
        preprocessing.shorter_side = resize;
    }
    return preprocessing;
}

void add_image_options(CLI::App& app, ImageTexts& texts) {
    app.add_option("--mean", texts.mean, "Mean of each channel, of samples from 0 to 1")
        ->option_text("R,G,B");
    app.add_option("--std", texts.deviation, "Standard deviation of each channel")
        ->option_text("R,G,B");
    app.add_option("--resize", texts.resize,
                   "Shorter side of an image before its centre is cut out")
        ->option_text("N")
        ->check(CLI::Range(1, static_cast<int>(image::max_side)));
    app.add_option("--interpolation", texts.interpolation, "Filter of an image's resize")
        ->option_text("bilinear|bicubic")
        ->check(CLI::IsMember({"bilinear", "bicubic"}));
}

Status read_image_options(const ImageTexts& texts, ImageOptions& options) {
    if (texts.mean && !(options.mean = parse_triple(*texts.mean))) {
        return Status::error("--mean: '" + *texts.mean + "' is not three numbers",
                             "write them as 0.5,0.5,0.5");
    }
    if (texts.deviation) {
        options.deviation = parse_triple(*texts.deviation);
        if (!options.deviation || std::any_of(options.deviation->begin(), options.deviation->end(),
                                              [](float value) { return value <= 0.0f; })) {
            return Status::error("--std: '" + *texts.deviation + "' is not three positive numbers",
                                 "write them as 0.25,0.25,0.25");
        }
    }
    options.resize = texts.resize;
    if (texts.interpolation) {
        options.interpolation = image::parse_interpolation(*texts.interpolation);
    }
    return {};
}

}  // namespace sluice::apps
