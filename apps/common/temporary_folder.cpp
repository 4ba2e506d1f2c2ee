#include "common/temporary_folder.h"

#include <stdlib.h>  // mkdtemp

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

namespace sluice::apps {

Result<TemporaryFolder> TemporaryFolder::create() {
    std::error_code code;
    std::filesystem::path parent = std::filesystem::temp_directory_path(code);
    std::string name =
        ((code ? std::filesystem::path("/tmp") : parent) / "benchmark-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
        return Status(Problem{name,
                              {},
                              std::string("cannot be made: ") + std::strerror(errno),
                              "set TMPDIR to a folder that can be written to"});
    }
    return TemporaryFolder(name);
}

TemporaryFolder::TemporaryFolder(TemporaryFolder&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

TemporaryFolder::~TemporaryFolder() {
    std::error_code code;
    if (!path_.empty()) {
        std::filesystem::remove_all(path_, code);
    }
}

}  // namespace sluice::apps
