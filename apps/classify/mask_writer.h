#pragma once

#include <cstdint>
#include <vector>

#include "classify/classifier.h"

namespace sluice::classify {

/// The masks of the classifier's last image, whose result this is, drawn and coded as a PNG.
Result<std::vector<std::uint8_t>> draw_masks(const Classifier& classifier,
                                             const Classification& result);

}  // namespace sluice::classify
