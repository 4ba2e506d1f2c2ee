#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "autotune/catalogue.h"
#include "autotune/layer_case.h"
#include "kernels/registry.h"
#include "sluice/status.h"

namespace sluice::autotune {

/// Equal steps of the networks: the same kernel on the same layer shape.
struct Layer {
    std::string kernel;       ///< its name without the target
    std::string shape;        ///< as the plan describes it
    Step step;                ///< the first of them
    std::vector<Load> loads;  ///< from full to sparse lists; each counts the same
    std::vector<int> uses;    ///< how many a network has
    /// Of the constants of the largest network that has it, a power of two; 0 where the caches hold
    /// them from one picture to the next.
    std::size_t network_bytes = 0;
};

struct Workload {
    std::vector<Layer> layers;
    std::string densities;  ///< where those of the position lists come from
};

/// The distinct steps of the networks that `catalogue` can tune, in the order of their first run:
/// convolutions both directly and by Winograd, wherever a kernel can, because which one a plan
/// takes follows from their times. With a folder of pictures, each gated layer's lists are three
/// that occur on them, from sparse to full; without one, gates are drawn at densities 1, 0.5 and
/// 0.2. Winograd's lists are the tiles that hold the same positions; sparse_conv's pairs are of two
/// layers' gates on the same picture, or of two drawn independently.
Result<Workload> find_workload(const std::vector<std::filesystem::path>& models,
                               const Target& target, const Catalogue& catalogue,
                               const std::optional<std::filesystem::path>& data);

/// Drops the layers of kernels that match none of the shell patterns, if there are any patterns. A
/// pattern that matches no kernel is an error.
Status keep_kernels(Workload& workload, const std::vector<std::string>& patterns);

/// A kernel's name but for the target.
std::string without_target(const std::string& kernel_name);

/// The greatest width of a tile that divides the output channels of all of a kernel's layers.
int common_channels(const std::vector<const Layer*>& layers);

}  // namespace sluice::autotune
