#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/npy.h"

namespace sluice::run {

/// What values a tensor holds. The range is of those that are finite; 0 where none is.
struct Range {
    double least = 0;
    double most = 0;
    double mean = 0;
    std::size_t nans = 0;
    std::size_t infinities = 0;
};
Range range_of(std::span<const float> values);

/// How far values are from those expected.
struct Difference {
    double largest = 0;   ///< absolute; infinite where one is not finite and the other is not equal
    double relative = 0;  ///< to the largest finite expected magnitude; infinite where that is 0
};

/// Of as many values as are expected. NaN equals NaN, and an infinity the same one.
Difference difference_of(std::span<const float> values, std::span<const float> expected);

/// How an output compares with what was expected of it.
struct Comparison {
    std::optional<std::vector<std::int64_t>> needed;  ///< the expected shape, where it is another
    Difference difference;                            ///< where the shapes are the same
    bool passes = false;
};

/// Passes where the shapes are the same and the relative difference is at most `tolerance`.
Comparison compare(const npy::Array& output, const npy::Array& expected, double tolerance);

}  // namespace sluice::run
