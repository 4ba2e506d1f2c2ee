#include "classify/mask_folder.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace sluice::classify {

Result<MaskFolder> MaskFolder::open(const std::filesystem::path& folder) {
    std::error_code code;
    std::filesystem::create_directories(folder, code);
    if (code) {
        return Status(Problem{folder.string(),
                              {},
                              "cannot be made: " + code.message(),
                              "name a folder that can be written to with --masks"});
    }
    if (::access(folder.c_str(), W_OK | X_OK) != 0) {
        return Status(Problem{folder.string(),
                              {},
                              std::string("cannot be written to: ") + std::strerror(errno),
                              "name another folder with --masks"});
    }
    return MaskFolder(folder);
}

std::filesystem::path MaskFolder::name_for(const std::filesystem::path& image) {
    const std::string stem = image.stem().string();
    // Thousands of folders may each have a 0001.png, so the numbers do not begin anew.
    int& copy = copies_.try_emplace(stem, 1).first->second;
    std::string name = copy == 1 ? stem : stem + "_" + std::to_string(copy);
    while (!given_.insert(name).second) {
        name = stem + "_" + std::to_string(++copy);
    }
    return folder_ / (name + "_masks.png");
}

}  // namespace sluice::classify
