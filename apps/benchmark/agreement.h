#pragma once

#include <span>
#include <string>

namespace sluice::benchmark {

/// Of the largest score; looser than rounding, for Winograd's transforms, and far tighter than any
/// real fault.
inline constexpr double score_tolerance = 1e-3;

/// Empty where the scores of all inputs equal the reference's within score_tolerance of its
/// largest; else the fault, in a clause that names the reference.
std::string find_disagreement(std::span<const float> scores, std::span<const float> reference,
                              const std::string& reference_name);

}  // namespace sluice::benchmark
