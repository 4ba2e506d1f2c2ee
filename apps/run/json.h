#pragma once

#include <string>

#include "run/report.h"

namespace sluice::run {

/// One JSON object on one line: model, target, threads, inputs, outputs, and times where runs were
/// timed. Numbers that are not finite are null; what is not UTF-8 in a name is replaced by U+FFFD.
std::string to_json(const Report& report);

}  // namespace sluice::run
