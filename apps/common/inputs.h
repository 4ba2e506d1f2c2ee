#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sluice/model.h"
#include "sluice/status.h"

namespace sluice::apps {

/// What all engines compute on: float32 [images, channels, height, width].
struct Inputs {
    std::vector<std::int64_t> shape;  ///< of one image
    std::int64_t images = 0;          ///< a multiple of the batch
    std::string source;               ///< "images" or "random normal"
    std::vector<float> values;
};

/// Images of `folder`, evenly spread over its names, for a model whose metadata say how to
/// normalise them; for others, and without a folder, normally distributed values of a fixed seed.
/// As many as some megabytes hold, and at least one batch.
Result<Inputs> make_inputs(const Model& model, const std::optional<std::filesystem::path>& folder,
                           int batch);

}  // namespace sluice::apps
