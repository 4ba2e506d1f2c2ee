#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "autotune/compile.h"
#include "autotune/space.h"
#include "kernels/registry.h"
#include "sluice/status.h"

namespace sluice::autotune {

/// A kernel of the build, as the target has it.
struct KernelRow {
    const Kernel* built = nullptr;  ///< of the target, or of its base
    Recipe recipe;
    int kernel = 0;         ///< extent of the window; 0: any
    int channels = 0;       ///< channel stride of the input; 0: any
    int most_channels = 0;  ///< winograd_conv: that it has memory for
    int stride = 1;         ///< winograd_conv: of the layer
    int side = 0;           ///< winograd_conv: of a tile of outputs
};

/// What one target runs, from the tables that CMake reads.
struct Catalogue {
    int lanes = 1;
    /// The files with the numbers of a target's kernels, by its id: the target's and its base's.
    /// Of several, the later one's count, and the last one is written.
    std::map<std::string, std::vector<std::filesystem::path>> tuned;
    std::map<std::string, KernelRow> kernels;  ///< by name without the target; tunable ones alone

    /// The bounds of a kernel's schedules where its tiles must divide `channels`, the greatest
    /// divisor that its layers' output channels share.
    Space space(const std::string& kernel, int channels) const;
};

/// Reads the targets below `source`, and what cmake/SluiceKernels.cmake listed for this build.
Result<Catalogue> read_catalogue(const std::filesystem::path& source, const Target& target);

}  // namespace sluice::autotune
