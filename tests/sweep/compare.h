#pragma once

#include <map>
#include <string>

#include "sluice/model.h"
#include "sweep/net.h"

namespace sluice::sweep {

/// What the cases of a sweep had in common on one target.
struct Tally {
    std::map<std::string, int> ran;  ///< cases in which a kernel computed something, by name
    double largest_difference = 0;   ///< of the largest output
    int exact_outputs = 0;           ///< compared to the bit
};

/// What an output is to be, as the file counts.
struct Wanted {
    Tensor values;
    double tolerance;      ///< of each element, or of the mean over them
    bool is_mean = false;  ///< where roundings between can make an element another number
};

/// Of a float network: the reference's outputs, within 1e-4 of the largest.
std::vector<Wanted> wanted_of(const Net& net);

/// Loads the net from a file and runs it on one thread and on three, twice each.
/// Returns which outputs are not as wanted, or why a run failed; empty where all is well.
std::string compare(const Net& net, const std::vector<Wanted>& wanted, const ModelOptions& options,
                    Tally& tally);

}  // namespace sluice::sweep
