#pragma once

#include "sluice/model.h"

namespace sluice::classify {

/// Fails unless the model is a classifier of images: one input [N, 3, height, width] of float32 or
/// uint8, and one output of a score per class, float32.
Status check_classifier(const Model& model);

}  // namespace sluice::classify
