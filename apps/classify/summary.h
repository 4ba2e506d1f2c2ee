#pragma once

#include <string>
#include <vector>

#include "classify/classification.h"

namespace sluice::classify {

/// What the pictures of a run have in common.
class Summary {
public:
    void add(const Classification& result);
    bool empty() const { return latencies_ms_.empty(); }
    /// "20 pictures, median 0.31 ms, 40.5% of MACs skipped on average, target avx512, 1 thread".
    std::string line(const std::string& target, int threads) const;

private:
    std::vector<double> latencies_ms_;
    double skipped_sum_ = 0.0;
};

}  // namespace sluice::classify
