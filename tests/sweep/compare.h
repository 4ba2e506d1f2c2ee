#pragma once

#include <map>
#include <string>

#include "sweep/net.h"

namespace sluice::sweep {

/// What the cases of a sweep had in common on one target.
struct Tally {
    std::map<std::string, int> ran;  ///< cases in which a kernel computed something, by name
    double largest_difference = 0;   ///< of the largest output
};

/// Loads the net from a file for the target and runs it on one thread and on three, twice each.
/// Returns what differs from the reference by more than 1e-4 of the largest output, or why a run
/// failed; empty where all is well.
std::string compare(const Net& net, const std::string& target, bool winograd, Tally& tally);

}  // namespace sluice::sweep
