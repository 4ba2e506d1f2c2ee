#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/statistics.h"
#include "run/compare.h"

namespace sluice::run {

struct InputReport {
    std::string name;
    std::vector<std::int64_t> shape;
    std::string source;  ///< a file's path, "random" or "zeros"
};

struct OutputReport {
    std::string name;
    std::vector<std::int64_t> shape;
    Range range;
    std::optional<std::filesystem::path> file;
    std::optional<Comparison> comparison;
};

/// What a network did with its inputs.
struct Report {
    std::string model;
    std::string target;
    int threads = 1;
    std::vector<InputReport> inputs;
    std::vector<OutputReport> outputs;
    std::optional<apps::Times> times;

    bool passes() const;  ///< no output differs from what was expected of it
};

/// A table with a line for each output, and lines for files and times.
std::string to_text(const Report& report);

}  // namespace sluice::run
