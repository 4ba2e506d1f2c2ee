#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "sluice/status.h"

namespace sluice::apps {

/// The images to classify, the other files of the folders, and the folders that gave no image or
/// could not be read.
struct Gathered {
    std::vector<std::filesystem::path> images;
    std::vector<std::filesystem::path> skipped;
    std::vector<Status> failures;
    bool searched = false;  ///< whether a folder was named
};

/// Files that are named count as images, whatever they hold. Folders are searched with all folders
/// below them, for visible files, sorted by path: those named like an image are images, the others
/// are skipped. Links are followed, but no folder is searched twice: not through a link to a folder
/// above it, nor through a second link.
Gathered gather(std::span<const std::string> paths);

}  // namespace sluice::apps
