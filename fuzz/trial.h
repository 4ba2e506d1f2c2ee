#pragma once

#include <nlohmann/json_fwd.hpp>

#include "job.h"

namespace sluice::fuzz {

/// Where a trial is, in memory that its parent process reads after a crash.
struct Progress {
    char phase[96];
};

/// Loads the job's model once for each variant, runs every input set, and the first once more.
/// Writes the outputs and returns what came of it: {"outcome": "ran" | "refused" | "large" |
/// "wrong", ...}. A limit of time ends the process with SIGPROF, of memory may end it with
/// std::bad_alloc.
nlohmann::json try_job(const Job& job, Progress& progress);

}  // namespace sluice::fuzz
