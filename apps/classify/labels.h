#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "sluice/status.h"

namespace sluice::classify {

/// Class names from a text file, one per line; blank lines at its end do not count.
Result<std::vector<std::string>> read_label_file(const std::filesystem::path& path);

/// Fails, naming `file`, unless there is one name per score or none at all. A single score may have
/// two names.
Status check_label_count(const std::vector<std::string>& labels, std::int64_t scores,
                         const std::filesystem::path& file);

/// The name of a class, "class 7" where there are no labels.
std::string name_class(const std::vector<std::string>& labels, std::int64_t index);

}  // namespace sluice::classify
