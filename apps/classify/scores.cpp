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

std::vector<Ranked> rank(std::span<const double> probabilities, std::size_t count) {
    std::vector<Ranked> ranked;
    for (const double probability : probabilities) {
        ranked.push_back({static_cast<std::int64_t>(ranked.size()), probability});
    }
    count = std::min(count, ranked.size());
    std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(count),
                      ranked.end(), [](const Ranked& a, const Ranked& b) {
                          return a.probability != b.probability ? a.probability > b.probability
                                                                : a.index < b.index;
                      });
    ranked.resize(count);
    return ranked;
}

}  // namespace sluice::classify
