#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "common/npy.h"

namespace sluice::npy {
namespace {

/// Magic, version, length and dictionary, padded so that the elements begin at a multiple of 64.
std::string header_of(std::span<const std::int64_t> shape) {
    std::string extents;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        extents += (axis > 0 ? ", " : "") + std::to_string(shape[axis]);
    }
    extents += shape.size() == 1 ? "," : "";
    std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + extents + "), }";
    constexpr std::size_t prefix = 10;
    const std::size_t unpadded = prefix + text.size() + 1;
    text.append((64 - unpadded % 64) % 64, ' ').append(1, '\n');
    const char length[2] = {static_cast<char>(text.size() & 255),
                            static_cast<char>(text.size() >> 8)};
    return std::string("\x93NUMPY\x01\x00", 8) + std::string(length, 2) + text;
}

}  // namespace

Status write(const std::filesystem::path& path, std::span<const std::int64_t> shape,
             std::span<const float> values) {
    std::FILE* const file = std::fopen(path.c_str(), "wb");
    const std::string header = header_of(shape);
    bool written = file != nullptr &&
                   std::fwrite(header.data(), 1, header.size(), file) == header.size() &&
                   std::fwrite(values.data(), sizeof(float), values.size(), file) == values.size();
    int code = errno;
    if (file != nullptr && std::fclose(file) != 0) {
        code = written ? errno : code;
        written = false;
    }
    if (written) {
        return {};
    }
    return Status(Problem{path.string(),
                          {},
                          std::string("cannot be written: ") + std::strerror(code),
                          "choose a folder that can be written to and has room"});
}

}  // namespace sluice::npy
