#pragma once

#include <string>

#include "autotune/evidence.h"

namespace sluice::autotune {

/// "break-even 0.39 -> 0.36, measured 0.352 within 0.004 against ...".
std::string describe(const BreakEvenEvidence& evidence);

/// A line for each layer shape and density: milliseconds and GFLOPS of active MACs before and
/// after, those of the direct sum for Winograd too; then the numbers, the break-evens, and where
/// all was measured.
std::string draw_report(const Evidence& evidence);

}  // namespace sluice::autotune
