#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/inputs.h"

namespace sluice::benchmark {

/// Where workers find the values.
struct InputFile {
    std::string path;
    std::vector<std::int64_t> shape;
    std::int64_t images = 0;
};

Result<InputFile> write_inputs(const apps::Inputs& inputs, const std::filesystem::path& path);
/// The values of a file that write_inputs wrote.
Result<std::vector<float>> read_inputs(const InputFile& file);

}  // namespace sluice::benchmark
