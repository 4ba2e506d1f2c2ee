#include "classify/scores.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace sluice::classify {
namespace {

bool is_distribution(std::span<const float> scores) {
    const bool negative = std::any_of(scores.begin(), scores.end(), [](float s) { return s < 0; });
    const double sum = std::accumulate(scores.begin(), scores.end(), 0.0);
    return !negative && std::abs(sum - 1.0) <= 1e-3;
}

}  // namespace

bool all_finite(std::span<const float> scores) {
    return std::all_of(scores.begin(), scores.end(), [](float s) { return std::isfinite(s); });
}

std::vector<float> to_class_scores(std::span<const float> scores, std::int64_t class_count) {
    if (class_count == 0) {
        return {};
    }
    if (scores.size() == 1 && class_count == 2) {
        return {-scores[0], scores[0]};
    }
    return {scores.begin(), scores.end()};
}

std::vector<double> to_probabilities(std::span<const float> scores) {
    std::vector<double> result(scores.begin(), scores.end());
    if (result.empty() || is_distribution(scores)) {
        return result;
    }
    const double largest = *std::max_element(result.begin(), result.end());
    double sum = 0.0;
    for (double& value : result) {
        value = std::exp(value - largest);
        sum += value;
    }
    for (double& value : result) {
        value /= sum;
    }
    return result;
}

std::vector<double> to_sigmoids(std::span<const float> scores) {
    std::vector<double> result;
    for (const float score : scores) {
        result.push_back(1.0 / (1.0 + std::exp(-static_cast<double>(score))));
    }
    return result;
}

std::vector<Ranked> rank(std::span<const float> scores, std::span<const double> probabilities,
                         std::size_t count) {
    std::vector<Ranked> ranked;
    ranked.reserve(scores.size());
    for (const double probability : probabilities) {
        ranked.push_back({static_cast<std::int64_t>(ranked.size()), probability});
    }
    count = std::min(count, ranked.size());
    // By score: probabilities round, and of two scores near zero they can be equal.
    const auto comes_first = [&](const Ranked& a, const Ranked& b) {
        const float of_a = scores[static_cast<std::size_t>(a.index)];
        const float of_b = scores[static_cast<std::size_t>(b.index)];
        return of_a != of_b ? of_a > of_b : a.index < b.index;
    };
    std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(count),
                      ranked.end(), comes_first);
    ranked.resize(count);
    return ranked;
}

}  // namespace sluice::classify
