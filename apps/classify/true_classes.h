#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "sluice/status.h"

namespace sluice::classify {

/// Name of the folder that an image lies in: its class, in a folder per class.
std::string folder_name(const std::filesystem::path& image);

/// The names of the folders that the images lie in, each once, sorted.
std::vector<std::string> folder_names(std::span<const std::filesystem::path> images);

/// The classes that images belong to, by the names of their folders.
class TrueClasses {
public:
    /// Fails where an image's folder is named like none of `labels`.
    static Result<TrueClasses> create(std::span<const std::filesystem::path> images,
                                      const std::vector<std::string>& labels);

    /// How many classes come before the true one of an image, 0 where it is the best. Classes of
    /// one name are one class, as good as the best of them.
    std::size_t place(std::size_t image, std::span<const float> class_scores) const;

private:
    std::vector<std::size_t> first_;  ///< of each class, the first one that has its name
    std::vector<std::size_t> truth_;  ///< of each image, a class that is its name's first
};

}  // namespace sluice::classify
