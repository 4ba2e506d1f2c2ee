#include "run/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sluice::run {

Range range_of(std::span<const float> values) {
    Range range;
    double sum = 0;
    std::size_t finite = 0;
    for (const double value : values) {
        if (!std::isfinite(value)) {
            ++(std::isnan(value) ? range.nans : range.infinities);
            continue;
        }
        range.least = finite == 0 ? value : std::min(range.least, value);
        range.most = finite == 0 ? value : std::max(range.most, value);
        sum += value;
        ++finite;
    }
    range.mean = finite == 0 ? 0 : sum / static_cast<double>(finite);
    return range;
}

Difference difference_of(std::span<const float> values, std::span<const float> expected) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    Difference difference;
    double magnitude = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double value = values[i];
        const double wanted = expected[i];
        if (std::isfinite(wanted)) {
            magnitude = std::max(magnitude, std::abs(wanted));
        }
        if (value == wanted || (std::isnan(value) && std::isnan(wanted))) {
            continue;
        }
        const bool both_finite = std::isfinite(value) && std::isfinite(wanted);
        difference.largest =
            std::max(difference.largest, both_finite ? std::abs(value - wanted) : infinity);
    }
    if (difference.largest > 0) {
        difference.relative = magnitude > 0 ? difference.largest / magnitude : infinity;
    }
    return difference;
}

Comparison compare(const npy::Array& output, const npy::Array& expected, double tolerance) {
    if (output.shape != expected.shape) {
        return {expected.shape, {}, false};
    }
    const Difference difference = difference_of(output.values, expected.values);
    return {std::nullopt, difference, difference.relative <= tolerance};
}

}  // namespace sluice::run
