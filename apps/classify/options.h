#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/image_options.h"
#include "sluice/status.h"
#include "sluice/tensor.h"

namespace sluice::classify {

/// What the command line asks for.
struct Options {
    std::filesystem::path model;
    std::optional<std::filesystem::path> labels;
    int top = 1;
    int threads = 1;
    std::string target;  ///< empty: $SLUICE_TARGET, else the best of this CPU
    bool int8 = true;    ///< ModelOptions::int8
    bool json = false;
    bool gates = false;  ///< beside json
    std::optional<std::filesystem::path> masks;
    bool explain = false;
    bool evaluate = false;
    bool sigmoid = false;
    apps::ImageOptions image;
    std::optional<ImageSize> size;   ///< of a symbolic input
    std::vector<std::string> paths;  ///< images and folders

    /// Printed instead of anything else: the help or the version.
    std::optional<std::string> message;
};

/// Reads the command line; a failure says in one line what is wrong with it.
Result<Options> parse_options(int argc, const char* const* argv);

}  // namespace sluice::classify
