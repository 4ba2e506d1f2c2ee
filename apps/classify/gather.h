#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "sluice/status.h"

namespace sluice::classify {

/// The pictures to classify, and the folders that gave none.
struct Gathered {
    std::vector<std::filesystem::path> pictures;
    std::vector<Status> failures;
};

/// Files as they are named, whatever they hold; of a folder its visible files that are named like
/// a JPEG, PNG or PPM, sorted by name, without subfolders.
Gathered gather(std::span<const std::string> paths);

}  // namespace sluice::classify
