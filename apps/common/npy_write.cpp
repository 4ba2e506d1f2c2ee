#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "common/npy.h"

namespace sluice::npy {
namespace {

/// Magic, version, length and dictionary, padded so that the elements begin at a multiple of 64.
std::string header_of(const Array& array) {
    const std::vector<std::int64_t>& shape = array.shape;
    const char* const type = array.type == DataType::float32 ? "<f4"
                             : array.type == DataType::uint8 ? "|u1"
                                                             : "|i1";
    std::string extents;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        extents += (axis > 0 ? ", " : "") + std::to_string(shape[axis]);
    }
    extents += shape.size() == 1 ? "," : "";
    std::string text = std::string("{'descr': '") + type + "', 'fortran_order': False, 'shape': (" +
                       extents + "), }";
    constexpr std::size_t prefix = 10;
    const std::size_t unpadded = prefix + text.size() + 1;
    text.append((64 - unpadded % 64) % 64, ' ').append(1, '\n');
    const char length[2] = {static_cast<char>(text.size() & 255),
                            static_cast<char>(text.size() >> 8)};
    return std::string("\x93NUMPY\x01\x00", 8) + std::string(length, 2) + text;
}

bool write_values(std::FILE* file, const Array& array) {
    const std::vector<float>& values = array.values;
    if (array.type == DataType::float32) {
        return std::fwrite(values.data(), sizeof(float), values.size(), file) == values.size();
    }
    std::vector<std::uint8_t> bytes(values.size());
    std::transform(values.begin(), values.end(), bytes.begin(),
                   [](float value) { return std::uint8_t(int(value)); });
    return std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
}

}  // namespace

Status write(const std::filesystem::path& path, const Array& array) {
    std::FILE* const file = std::fopen(path.c_str(), "wb");
    const std::string header = header_of(array);
    bool written = file != nullptr &&
                   std::fwrite(header.data(), 1, header.size(), file) == header.size() &&
                   write_values(file, array);
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
