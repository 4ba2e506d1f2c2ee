#pragma once

#include <cstddef>

#include "classify/network.h"
#include "classify/options.h"
#include "common/gather.h"

namespace sluice::classify {

/// Classifies the images and prints the results in their order, and a summary. An image that fails
/// is reported on standard error and counted in `failed`, and the others go on. The run ends with
/// a failure after an interrupt, and where all images would fail alike.
Status classify_images(Network& network, const Options& options, const apps::Gathered& gathered,
                       std::size_t& failed);

}  // namespace sluice::classify
