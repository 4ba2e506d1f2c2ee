#include "classify/gather.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <system_error>

namespace sluice::classify {
namespace {

namespace fs = std::filesystem;

bool is_named_like_a_picture(const fs::path& path) {
    constexpr std::array<std::string_view, 4> extensions = {".jpg", ".jpeg", ".png", ".ppm"};
    std::string extension = path.extension().string();
    std::transform(extension.begin(), extension.end(), extension.begin(),
                   [](unsigned char letter) { return std::tolower(letter); });
    return !path.filename().string().starts_with('.') &&
           std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

Result<std::vector<fs::path>> list_pictures(const fs::path& folder) {
    std::vector<fs::path> pictures;
    std::error_code code;
    for (fs::directory_iterator entry(folder, code), end; !code && entry != end;
         entry.increment(code)) {
        std::error_code ignored;
        if (is_named_like_a_picture(entry->path()) && !entry->is_directory(ignored)) {
            pictures.push_back(entry->path());
        }
    }
    if (code) {
        return Status(Problem{
            folder.string(), {}, "cannot be listed: " + code.message(), "check its permissions"});
    }
    if (pictures.empty()) {
        return Status(Problem{folder.string(),
                              {},
                              "holds no .jpg, .jpeg, .png or .ppm",
                              "name a folder with pictures; subfolders are not searched"});
    }
    std::sort(pictures.begin(), pictures.end());
    return pictures;
}

}  // namespace

Gathered gather(std::span<const std::string> paths) {
    Gathered gathered;
    for (const std::string& path : paths) {
        std::error_code ignored;
        if (!fs::is_directory(path, ignored)) {
            gathered.pictures.emplace_back(path);
            continue;
        }
        Result<std::vector<fs::path>> pictures = list_pictures(path);
        if (pictures.ok()) {
            gathered.pictures.insert(gathered.pictures.end(), pictures.value().begin(),
                                     pictures.value().end());
        } else {
            gathered.failures.push_back(pictures.status());
        }
    }
    return gathered;
}

}  // namespace sluice::classify
