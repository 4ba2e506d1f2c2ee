#pragma once

#include <cstddef>

#include "kernels/registry.h"

namespace sluice {

// Defined in the file that cmake/SluiceKernels.cmake writes into the build folder.
extern const Kernel kernel_table[];
extern const std::size_t kernel_count;
extern const Target target_table[];
extern const std::size_t target_count;

}  // namespace sluice
