#pragma once

#include <string>

#include "benchmark/results.h"

namespace sluice::benchmark {

/// One JSON object: `machine` (cpu, cores, target, its peaks and the read rates), `results`, a list
/// of {network, variant, engine, target, precision, threads, batch, median_ms, p10_ms, p90_ms,
/// macs, macs_executed, peak_rss_mb, load_ms, agrees} and more of the same kind, and `kernels`,
/// `layers` and `steps` where those were measured. What was not measured is null, and `problem`
/// says why.
std::string to_json(const Report& report);

}  // namespace sluice::benchmark
