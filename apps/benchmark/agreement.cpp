#include "benchmark/agreement.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>

namespace sluice::benchmark {

std::string find_disagreement(std::span<const float> scores, std::span<const float> reference,
                              const std::string& reference_name, double tolerance) {
    if (scores.size() != reference.size()) {
        return "wrong answer: " + std::to_string(scores.size()) + " scores, and " + reference_name +
               " gives " + std::to_string(reference.size());
    }
    double largest = 0, worst = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
        if (!std::isfinite(scores[i]) || !std::isfinite(reference[i])) {
            return "wrong answer: a score is not finite, here or in " + reference_name;
        }
        largest = std::max(largest, std::abs(static_cast<double>(reference[i])));
        worst = std::max(worst, std::abs(static_cast<double>(scores[i]) - reference[i]));
    }
    if (worst <= tolerance * largest) {
        return {};
    }
    char text[96];
    std::snprintf(text, sizeof text, "wrong answer: differs by %.2g of the largest score from ",
                  worst / largest);
    return text + reference_name;
}

}  // namespace sluice::benchmark
