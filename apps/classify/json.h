#pragma once

#include <string>

#include "classify/classification.h"

namespace sluice::classify {

/// One JSON object on one line: file, class, index, probability, scores, latency_ms, macs and
/// macs_executed. Where `best` holds several classes, top follows. null stands for a score that is
/// not finite. It also stands for class, index and probability where no class is decided. What is
/// not UTF-8 in a name is replaced by U+FFFD.
std::string to_json(const Classification& result);

}  // namespace sluice::classify
