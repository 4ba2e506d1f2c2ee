#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "sluice/status.h"

namespace sluice::image {

/// The bytes of a regular file of at most max_file_bytes.
Result<std::vector<std::uint8_t>> read_file(const std::filesystem::path& path);

/// Writes beside `path` and renames; on failure nothing is left and `path` is as it was.
Status write_file(const std::filesystem::path& path, std::span<const std::uint8_t> bytes);

}  // namespace sluice::image
