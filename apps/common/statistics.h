#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::apps {

/// What a set of timings says, in milliseconds.
struct Times {
    double median_ms = 0;
    double p10_ms = 0;
    double p90_ms = 0;
    std::size_t runs = 0;
};

/// The value below which `percent` of 100 of the values lie, linear between neighbours (type 7 of
/// Hyndman and Fan, as numpy's default). `sorted` is ascending and not empty.
double percentile(std::span<const double> sorted, double percent);

/// `milliseconds` in any order and not empty.
Times summarise(std::span<const double> milliseconds);

/// 2 * macs in `milliseconds`, in GFLOPS.
double gflops(double macs, double milliseconds);

}  // namespace sluice::apps
