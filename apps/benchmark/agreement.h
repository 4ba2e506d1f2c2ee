#pragma once

#include <span>
#include <string>

namespace sluice::benchmark {

/// Of the largest score; looser than rounding, for Winograd's transforms, and far tighter than any
/// real fault.
inline constexpr double score_tolerance = 1e-3;

/// Of quantised networks. Engines that round a sum to the other of two numbers differ by a step
/// there, and the layers after it carry that on: two right ones were up to 0.042 apart on networks
/// of 20 to 56 layers. A wrong layer gives other scores altogether.
inline constexpr double int8_score_tolerance = 0.1;

/// Empty where the scores of all inputs equal the reference's within `tolerance` of its largest;
/// else the fault, in a clause that names the reference.
std::string find_disagreement(std::span<const float> scores, std::span<const float> reference,
                              const std::string& reference_name,
                              double tolerance = score_tolerance);

}  // namespace sluice::benchmark
