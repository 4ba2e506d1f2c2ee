#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "classify/classification.h"
#include "classify/heat_map.h"

namespace sluice::classify {

/// One JSON object on one line: file, class, index, probability, scores, latency_ms, macs and
/// macs_executed. Where `best` holds several classes, top follows. null stands for a score that is
/// not finite. It also stands for class, index and probability where no class is decided. What is
/// not UTF-8 in a name is replaced by U+FFFD.
std::string to_json(const Classification& result);
/// The same, then image, the input image's PNG in base64, and gates: for each gated layer its
/// name, density, maps, height, width, grid, the extents of its output, skips, and in active how
/// many of its maps are not zero at each position, row by row.
std::string to_json(const Classification& result, std::span<const std::uint8_t> png,
                    std::span<const GateMap> maps);

}  // namespace sluice::classify
