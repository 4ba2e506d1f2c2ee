#include "autotune/files.h"

#include <cstdint>
#include <span>

#include "image/files.h"

namespace sluice::autotune {

Result<nlohmann::json> read_json(const std::filesystem::path& path) {
    const Result<std::vector<std::uint8_t>> bytes = image::read_file(path);
    if (!bytes.ok()) {
        return bytes.status();
    }
    nlohmann::json value = nlohmann::json::parse(bytes.value(), nullptr, false);
    if (!value.is_structured()) {
        return Status(Problem{path.string(),
                              {},
                              "is not JSON that autotune reads",
                              "restore it from version control"});
    }
    return value;
}

Status write_text(const std::filesystem::path& path, std::string_view text) {
    if (path.has_parent_path()) {
        std::error_code fault;
        std::filesystem::create_directories(path.parent_path(), fault);
        if (fault) {
            return Status(Problem{path.parent_path().string(),
                                  {},
                                  "cannot be made: " + fault.message(),
                                  "choose another folder"});
        }
    }
    return image::write_file(
        path, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

}  // namespace sluice::autotune
