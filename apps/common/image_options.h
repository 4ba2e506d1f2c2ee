#pragma once

#include <array>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "image/preprocess.h"
#include "sluice/status.h"

namespace sluice::apps {

/// How images are prepared, in the place of what the model's metadata say.
struct ImageOptions {
    std::optional<std::array<float, 3>> mean;
    std::optional<std::array<float, 3>> deviation;
    std::optional<int> resize;  ///< the shorter side before the centre is cut out
    std::optional<image::Interpolation> interpolation;

    image::Preprocessing over(image::Preprocessing preprocessing) const;
};

/// The same as a command line has them, before they are understood.
struct ImageTexts {
    std::optional<std::string> mean, deviation, interpolation;
    std::optional<int> resize;
};

/// --mean, --std, --resize and --interpolation, bound to `texts`.
void add_image_options(CLI::App& app, ImageTexts& texts);
Status read_image_options(const ImageTexts& texts, ImageOptions& options);

}  // namespace sluice::apps
