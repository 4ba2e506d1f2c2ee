#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::classify {

/// A class and how probable it is.
struct Ranked {
    std::int64_t index = 0;
    double probability = 0.0;
};

bool all_finite(std::span<const float> scores);

/// The score of each of `class_count` classes: the scores themselves where there are as many. A
/// single score that decides between two classes gives its negative and itself. No class, no score.
std::vector<float> to_class_scores(std::span<const float> scores, std::int64_t class_count);

/// The scores themselves where they are a distribution (none negative, their sum within 1e-3 of
/// one), as of a network that ends in a softmax; else their softmax.
std::vector<double> to_probabilities(std::span<const float> scores);

/// The logistic function of each score.
std::vector<double> to_sigmoids(std::span<const float> scores);

/// The `count` classes of the highest scores, best first; of equal ones the lower index. All of
/// them where there are fewer. `probabilities` has one for each score.
std::vector<Ranked> rank(std::span<const float> scores, std::span<const double> probabilities,
                         std::size_t count);

}  // namespace sluice::classify
