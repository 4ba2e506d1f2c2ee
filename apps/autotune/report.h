#pragma once

#include <string>

#include "autotune/evidence.h"

namespace sluice::autotune {

/// A line for each layer shape and density: milliseconds and GFLOPS of active MACs before and
/// after, then where they were measured.
std::string draw_report(const Evidence& evidence);

}  // namespace sluice::autotune
