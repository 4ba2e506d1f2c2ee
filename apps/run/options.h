#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/image_options.h"
#include "sluice/status.h"
#include "sluice/tensor.h"

namespace sluice::run {

/// What the command line asks for.
struct Options {
    std::filesystem::path model;
    std::vector<std::string> inputs;    ///< [NAME=]FILE each
    std::vector<std::string> expected;  ///< [NAME=]FILE each
    double tolerance = 1e-4;            ///< of the largest expected magnitude
    std::optional<std::uint32_t> seed;  ///< inputs that are not given are random
    bool zeros = false;                 ///< inputs that are not given are zero
    std::optional<std::filesystem::path> output;
    int repeat = 0;  ///< timed runs; 0: none
    int threads = 1;
    std::string target;  ///< empty: $SLUICE_TARGET, else the best of this CPU
    bool int8 = true;    ///< ModelOptions::int8
    bool json = false;
    bool explain = false;           ///< prints the plan, and runs nothing
    apps::ImageOptions image;       ///< of inputs that are images
    std::optional<ImageSize> size;  ///< of symbolic inputs

    /// Printed instead of anything else: the help or the version.
    std::optional<std::string> message;
};

/// Reads the command line; a failure says in one line what is wrong with it.
Result<Options> parse_options(int argc, const char* const* argv);

}  // namespace sluice::run
