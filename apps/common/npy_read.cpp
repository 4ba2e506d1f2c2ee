#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include "common/npy.h"
#include "common/npy_header.h"

namespace sluice::npy {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t max_header = 1 << 16;
constexpr std::int64_t block = 1 << 14;  // elements that are read and converted at a time
constexpr double largest_exact = 1 << 24;

static_assert(std::endian::native == std::endian::little);

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

Status cut_off() { return Status::error("is cut off", "copy it again"); }

bool read_bytes(std::FILE* file, void* to, std::size_t count) {
    return std::fread(to, 1, count, file) == count;
}

/// The header's text, after which the elements follow.
Result<std::string> read_header_text(std::FILE* file) {
    unsigned char start[8] = {};
    if (!read_bytes(file, start, sizeof start) || std::memcmp(start, magic.data(), 6) != 0) {
        const bool is_zip = std::memcmp(start, "PK", 2) == 0;
        return Status::error(
            is_zip ? "is a .npz archive" : "is no .npy file",
            is_zip ? "unpack it and name a .npy file of it" : "write it with numpy.save");
    }
    const int version = start[6];
    if (version < 1 || version > 3 || start[7] != 0) {
        return Status::error("is of version " + std::to_string(version) + "." +
                                 std::to_string(start[7]) + " of the format",
                             "write it with numpy.save, which uses 1.0 to 3.0");
    }
    unsigned char length_bytes[4] = {};
    if (!read_bytes(file, length_bytes, version == 1 ? 2 : 4)) {
        return cut_off();
    }
    std::uint32_t length = 0;
    std::memcpy(&length, length_bytes, sizeof length);
    if (length > max_header) {
        return Status::error("has a header of " + std::to_string(length) + " bytes",
                             "write it with numpy.save");
    }
    std::string text(length, '\0');
    return read_bytes(file, text.data(), length) ? Result<std::string>(text) : cut_off();
}

double half_to_double(std::uint16_t bits) {
    const int exponent = bits >> 10 & 31;
    const int mantissa = bits & 1023;
    const double magnitude = exponent == 31
                                 ? (mantissa == 0 ? std::numeric_limits<double>::infinity()
                                                  : std::numeric_limits<double>::quiet_NaN())
                             : exponent == 0 ? std::ldexp(mantissa, -24)
                                             : std::ldexp(mantissa + 1024, exponent - 25);
    return bits >> 15 ? -magnitude : magnitude;
}

template <typename T>
double load(const unsigned char* bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return static_cast<double>(value);
}

/// One element of native byte order. A double holds all of them but 64-bit integers that are out of
/// range anyway.
double load(const Header& header, const unsigned char* bytes) {
    const bool is_signed = header.kind == 'i';
    switch (header.bytes) {
        case 1:
            return header.kind == 'b' ? (*bytes != 0 ? 1 : 0)
                   : is_signed        ? load<std::int8_t>(bytes)
                                      : load<std::uint8_t>(bytes);
        case 2: {
            std::uint16_t half;
            std::memcpy(&half, bytes, sizeof half);
            return header.kind == 'f' ? half_to_double(half)
                   : is_signed        ? load<std::int16_t>(bytes)
                                      : load<std::uint16_t>(bytes);
        }
        case 4:
            return header.kind == 'f' ? load<float>(bytes)
                   : is_signed        ? load<std::int32_t>(bytes)
                                      : load<std::uint32_t>(bytes);
        default:
            return header.kind == 'f' ? load<double>(bytes)
                   : is_signed        ? load<std::int64_t>(bytes)
                                      : load<std::uint64_t>(bytes);
    }
}

/// Converts `count` elements, whose bytes it puts into native order first.
Status convert(const Header& header, unsigned char* bytes, std::int64_t count, float* to) {
    for (std::int64_t i = 0; i < count; ++i, bytes += header.bytes) {
        if (header.big_endian) {
            std::reverse(bytes, bytes + header.bytes);
        }
        const double value = load(header, bytes);
        const float single = static_cast<float>(value);
        const bool fits = header.kind == 'f' ? std::isfinite(single) || !std::isfinite(value)
                                             : std::abs(value) <= largest_exact;
        if (!fits) {
            char text[32];
            std::snprintf(text, sizeof text, "%.17g", value);
            return Status::error(
                std::string("holds ") + text + ", which float32 cannot hold",
                header.kind == 'f' ? "scale its values" : "save whole numbers up to 2^24");
        }
        to[i] = single;
    }
    return {};
}

Status read_values(std::FILE* file, const Header& header, std::vector<float>& values) {
    if (header.kind == 'f' && header.bytes == 4 && !header.big_endian) {
        const std::size_t bytes = values.size() * sizeof(float);
        return read_bytes(file, values.data(), bytes) ? Status{} : cut_off();
    }
    std::vector<unsigned char> bytes(static_cast<std::size_t>(block * header.bytes));
    for (std::int64_t done = 0; done < header.count; done += block) {
        const std::int64_t now = std::min(block, header.count - done);
        if (!read_bytes(file, bytes.data(), static_cast<std::size_t>(now * header.bytes))) {
            return cut_off();
        }
        SLUICE_RETURN_IF_ERROR(convert(header, bytes.data(), now, values.data() + done));
    }
    return {};
}

/// Column-major values in row-major order.
std::vector<float> to_row_major(const std::vector<std::int64_t>& shape,
                                const std::vector<float>& values) {
    std::vector<std::int64_t> stride;
    std::int64_t next = 1;
    for (const std::int64_t extent : shape) {
        stride.push_back(next);
        next *= extent;
    }
    std::vector<float> ordered;
    ordered.reserve(values.size());
    std::vector<std::int64_t> index(shape.size());
    std::int64_t offset = 0;
    while (ordered.size() < values.size()) {
        ordered.push_back(values[static_cast<std::size_t>(offset)]);
        for (std::size_t axis = shape.size(); axis-- > 0;) {
            offset += stride[axis];
            if (++index[axis] < shape[axis]) {
                break;
            }
            offset -= stride[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    return ordered;
}

Result<Header> read_header(std::FILE* file) {
    const Result<std::string> text = read_header_text(file);
    if (!text.ok()) {
        return text.status();
    }
    return parse_header(text.value());
}

Result<Array> read_stream(std::FILE* file, std::uintmax_t size) {
    const Result<Header> parsed = read_header(file);
    if (!parsed.ok()) {
        return parsed.status();
    }
    const Header& header = parsed.value();
    const auto needed = static_cast<std::uintmax_t>(header.count * header.bytes);
    const std::uintmax_t held = size - static_cast<std::uintmax_t>(std::ftell(file));
    if (held != needed) {
        return Status::error("holds " + std::to_string(held) +
                                 " bytes of elements, where its "
                                 "header says " +
                                 std::to_string(needed),
                             "save or copy it again");
    }
    Array array{header.shape, std::vector<float>(static_cast<std::size_t>(header.count))};
    SLUICE_RETURN_IF_ERROR(read_values(file, header, array.values));
    if (header.column_major) {
        array.values = to_row_major(array.shape, array.values);
    }
    return array;
}

/// Gives an open file and its bytes to `take`, whose failures are made to name it.
template <typename T>
Result<T> with_file(const std::filesystem::path& path,
                    const std::function<Result<T>(std::FILE*, std::uintmax_t)>& take) {
    const auto failed = [&](const std::string& what, const char* remedy) {
        return Status(Problem{path.string(), {}, what, remedy});
    };
    std::error_code code;
    if (!std::filesystem::is_regular_file(path, code)) {
        return failed(code ? "cannot be read: " + code.message() : "is not a file",
                      "name a .npy file that exists");
    }
    const std::uintmax_t size = std::filesystem::file_size(path, code);
    const File file(code ? nullptr : std::fopen(path.c_str(), "rb"));
    if (!file) {
        return failed(std::string("cannot be opened: ") + std::strerror(errno),
                      "check its permissions");
    }
    Result<T> taken = take(file.get(), size);
    return taken.ok() ? std::move(taken) : Status(taken.status()).in_file(path.string());
}

}  // namespace

Result<Array> read(const std::filesystem::path& path) {
    return with_file<Array>(path, read_stream);
}

Result<std::vector<std::int64_t>> read_shape(const std::filesystem::path& path) {
    using Shape = std::vector<std::int64_t>;
    return with_file<Shape>(path, [](std::FILE* file, std::uintmax_t) -> Result<Shape> {
        const Result<Header> header = read_header(file);
        return header.ok() ? Result<Shape>(header.value().shape) : header.status();
    });
}

}  // namespace sluice::npy
