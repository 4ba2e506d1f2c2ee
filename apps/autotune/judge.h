#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "autotune/layer_case.h"
#include "sluice/status.h"

namespace sluice::autotune {

/// A layer that the kernel is judged by, and how much its time counts.
struct Weighed {
    const LayerCase* present;
    const LayerCase* candidate;  ///< mostly the same; it has as many loads to be timed
    double weight;
};

/// One load's times, first quartiles: other programs only ever add.
struct LoadTimes {
    double present_ms = 0;
    double candidate_ms = 0;
};

struct Verdict {
    std::string problem;  ///< why the candidate is dropped; empty: it is right
    double ratio = 1;     ///< candidate over present: weighed times of all loads together
    std::vector<std::vector<LoadTimes>> times;  ///< a layer each, a load each
};

/// A compiled candidate.
struct Library {
    std::filesystem::path path;
    Numbers numbers;  ///< that it was compiled with
};

struct Patience {
    int rounds = 15;      ///< at most, and few for a candidate that is far behind
    double seconds = 20;  ///< after which a candidate is given up
};

/// Checks the candidate's answers, then times it and the present kernel in turn, on one core, in a
/// forked child. A crash, a wrong answer and a loop without end are verdicts; it fails where the
/// program is interrupted or cannot fork.
Result<Verdict> judge(const std::vector<Weighed>& layers, const Library& present,
                      const Library& candidate, const Patience& patience = {});

}  // namespace sluice::autotune
