#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "sluice/status.h"

namespace sluice::classify {

/// The folder that mask sheets are written to, and the names already given out.
class MaskFolder {
public:
    /// Makes the folder where it is missing. Fails where it cannot be written to.
    static Result<MaskFolder> open(const std::filesystem::path& folder);

    /// "<folder>/<stem>_masks.png"; the second image of a stem gets "<stem>_2_masks.png".
    std::filesystem::path name_for(const std::filesystem::path& image);

private:
    explicit MaskFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}
    std::filesystem::path folder_;
    std::set<std::string> given_;
    std::map<std::string, int> copies_;  ///< the last number tried for a stem
};

}  // namespace sluice::classify
