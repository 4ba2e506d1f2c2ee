#include "common/statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace sluice::apps {

double percentile(std::span<const double> sorted, double percent) {
    const double at = percent / 100.0 * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(std::floor(at));
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    const double share = at - std::floor(at);
    return sorted[below] + share * (sorted[above] - sorted[below]);
}

Times summarise(std::span<const double> milliseconds) {
    std::vector<double> sorted(milliseconds.begin(), milliseconds.end());
    std::sort(sorted.begin(), sorted.end());
    return {percentile(sorted, 50), percentile(sorted, 10), percentile(sorted, 90), sorted.size()};
}

double gflops(double macs, double milliseconds) { return 2.0 * macs / (milliseconds * 1e6); }

}  // namespace sluice::apps
