#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sluice/status.h"

namespace sluice::autotune {

/// What the command line asks for.
struct Options {
    std::vector<std::filesystem::path> models;
    std::optional<std::filesystem::path> data;
    std::vector<std::string> kernels;  ///< shell patterns; empty: all
    std::string target;                ///< empty: $SLUICE_TARGET, else the best of this CPU
    int threads = 1;                   ///< candidates compiled at a time
    double budget = 0;                 ///< seconds
    std::optional<std::filesystem::path> output;
    bool report = false;

    /// Printed instead of anything else: the help or the version.
    std::optional<std::string> message;
};

/// Reads the command line; a failure says in one line what is wrong with it.
Result<Options> parse_options(int argc, const char* const* argv);

}  // namespace sluice::autotune
