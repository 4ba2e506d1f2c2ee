#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "benchmark/kernel_times.h"
#include "sluice/status.h"
#include "sluice/tensor.h"

namespace sluice::benchmark {

enum class Command { networks, kernels, worker };

/// What the command line asks for.
struct Options {
    Command command = Command::networks;
    std::vector<std::filesystem::path> models;
    std::optional<std::filesystem::path> data;
    std::string target;  ///< empty: $SLUICE_TARGET, else the best of this CPU
    bool int8 = true;    ///< ModelOptions::int8
    int threads = 1;
    int batch = 1;
    std::optional<ImageSize> size;  ///< of symbolic inputs
    bool layers = false;
    bool pins = true;
    std::vector<std::string> peers;
    std::string peer_python;
    double seconds = 2;
    KernelQuestion kernels;
    std::optional<std::filesystem::path> json;
    std::optional<std::filesystem::path> html;
    std::optional<std::filesystem::path> markdown;

    /// Printed instead of anything else: the help or the version.
    std::optional<std::string> message;
};

/// Reads the command line; a failure says in one line what is wrong with it.
Result<Options> parse_options(int argc, const char* const* argv);

}  // namespace sluice::benchmark
