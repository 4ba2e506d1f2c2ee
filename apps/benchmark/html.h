#pragma once

#include <string>

#include "benchmark/results.h"

namespace sluice::benchmark {

/// One self-contained page: bars of the engines by network, time against density for each layer
/// shape with the proportional line, the roofline, and the tables.
std::string to_html(const Report& report);

}  // namespace sluice::benchmark
