#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "image/image.h"
#include "sluice/status.h"

namespace sluice::classify {

/// What the command line asks for.
struct Options {
    std::filesystem::path model;
    std::optional<std::filesystem::path> labels;
    int top = 1;
    int threads = 1;
    std::string target;  ///< empty: $SLUICE_TARGET, else the best of this CPU
    bool json = false;
    std::optional<std::filesystem::path> masks;
    bool explain = false;
    bool evaluate = false;
    bool sigmoid = false;
    // In the place of the model's metadata:
    std::optional<std::array<float, 3>> mean;
    std::optional<std::array<float, 3>> deviation;
    std::optional<int> resize;
    std::optional<image::Interpolation> interpolation;
    std::vector<std::string> paths;  ///< images and folders

    /// Printed instead of anything else: the help or the version.
    std::optional<std::string> message;
};

/// Reads the command line; a failure says in one line what is wrong with it.
Result<Options> parse_options(int argc, const char* const* argv);

}  // namespace sluice::classify
