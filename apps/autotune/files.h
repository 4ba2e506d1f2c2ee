#pragma once

#include <filesystem>
#include <string_view>

#include <nlohmann/json.hpp>

#include "sluice/status.h"

namespace sluice::autotune {

/// A file that holds one JSON object or array; a failure names it.
Result<nlohmann::json> read_json(const std::filesystem::path& path);

/// Writes beside `path` and renames, making its folder; on failure `path` is as it was.
Status write_text(const std::filesystem::path& path, std::string_view text);

}  // namespace sluice::autotune
