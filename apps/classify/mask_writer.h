#pragma once

#include "classify/classifier.h"
#include "classify/mask_folder.h"

namespace sluice::classify {

/// Draws the masks of the classifier's last picture, whose result this is, into the folder.
Status write_masks(const Classifier& classifier, const Classification& result, MaskFolder& folder);

}  // namespace sluice::classify
