#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sluice::classify {

/// A class and how probable it is.
struct Ranked {
    std::int64_t index = 0;
    double probability = 0.0;
};

/// The scores themselves where they are a distribution (none negative, their sum within 1e-3 of
/// one), as of a network that ends in a softmax; else their softmax.
std::vector<double> to_probabilities(std::span<const float> scores);

/// The `count` most probable classes, best first; of equal ones the lower index. All of them where
/// there are fewer.
std::vector<Ranked> rank(std::span<const double> probabilities, std::size_t count);

}  // namespace sluice::classify
