#include "classify/summary.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>

#include "classify/table.h"

namespace sluice::classify {
namespace {

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2.0;
}

std::string count(std::size_t number, const std::string& noun) {
    return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

}  // namespace

void Summary::add(const Classification& result) {
    latencies_ms_.push_back(result.latency_ms);
    skipped_sum_ += result.skipped_share();
}

std::string Summary::line(const std::string& target, int threads) const {
    char ms[32];
    std::snprintf(ms, sizeof ms, "%.3f", median(latencies_ms_));
    const double skipped = skipped_sum_ / static_cast<double>(latencies_ms_.size());
    return count(latencies_ms_.size(), "picture") + ", median " + ms + " ms, " +
           format_percent(skipped) + " of MACs skipped on average, target " + target + ", " +
           count(static_cast<std::size_t>(threads), "thread");
}

}  // namespace sluice::classify
