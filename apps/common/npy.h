#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "sluice/status.h"
#include "sluice/tensor.h"

namespace sluice::npy {

/// A tensor, dense and row-major.
struct Array {
    std::vector<std::int64_t> shape;  ///< empty for a scalar
    std::vector<float> values;
    DataType type = DataType::float32;  ///< that write() gives a file; read() leaves it
};

/// More elements than a model takes, and than read() does.
inline constexpr std::int64_t max_elements = std::int64_t{1} << 31;
inline constexpr std::size_t max_rank = 64;  ///< as NumPy's

/// Reads NumPy's file format, versions 1.0 to 3.0, of either byte order, row-major or column-major.
/// float32, float16, bool and whole numbers of magnitude up to 2^24 are taken exactly. float64 is
/// rounded to the nearest float32. Fails on other types and values, on files that are shorter or
/// longer than their header says, and on more than max_elements.
Result<Array> read(const std::filesystem::path& path);

/// The shape alone, by the file's header.
Result<std::vector<std::int64_t>> read_shape(const std::filesystem::path& path);

/// Writes version 1.0, little-endian, row-major; the values are elements of the array's type. On
/// failure a part of the file may be left.
Status write(const std::filesystem::path& path, const Array& array);

}  // namespace sluice::npy
