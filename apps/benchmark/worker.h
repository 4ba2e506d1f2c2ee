#pragma once

namespace sluice::benchmark {

/// "benchmark worker": our engine behind the lines that engine.h states, until standard input ends.
/// Returns the exit status.
int run_worker();

}  // namespace sluice::benchmark
