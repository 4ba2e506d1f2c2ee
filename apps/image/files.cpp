#include "image/files.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>

#include "image/image.h"

namespace sluice::image {
namespace {

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

Status failure(const std::filesystem::path& path, const std::string& what,
               const std::string& remedy) {
    return Status(Problem{path.string(), {}, what, remedy});
}

}  // namespace

Result<std::vector<std::uint8_t>> read_file(const std::filesystem::path& path) {
    std::error_code code;
    if (!std::filesystem::is_regular_file(path, code)) {
        return failure(path, code ? "cannot be read: " + code.message() : "is not a file",
                       "name an image that exists");
    }
    const auto size = std::filesystem::file_size(path, code);
    if (code || size > static_cast<std::uintmax_t>(max_file_bytes)) {
        return failure(path, code ? "cannot be read: " + code.message() : "is over 256 MiB",
                       "name a smaller image");
    }
    const File file(std::fopen(path.c_str(), "rb"));
    if (!file) {
        return failure(path, std::string("cannot be opened: ") + std::strerror(errno),
                       "check its permissions");
    }
    std::vector<std::uint8_t> bytes(size);
    if (size > 0 && std::fread(bytes.data(), 1, size, file.get()) != size) {
        return failure(path, "could not be read to its end", "check the disk");
    }
    return bytes;
}

Status write_file(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
    // The process id keeps two programs that write the same folder out of each other's way.
    std::filesystem::path aside = path;
    aside += ".part" + std::to_string(::getpid());
    File file(std::fopen(aside.c_str(), "wb"));
    if (!file) {
        return failure(path, std::string("cannot be written: ") + std::strerror(errno),
                       "choose a folder that exists and is writable");
    }
    const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
    const bool closed = std::fclose(file.release()) == 0;
    std::error_code code;
    if (written && closed) {
        std::filesystem::rename(aside, path, code);
        if (!code) {
            return {};
        }
    }
    const std::string reason = code ? code.message() : "the disk may be full";
    std::filesystem::remove(aside, code);
    return failure(path, "cannot be written: " + reason, "choose another folder");
}

}  // namespace sluice::image
