#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autotune/catalogue.h"
#include "common/layer_run.h"
#include "sluice/status.h"

namespace sluice::autotune {

using apps::Gate;

/// What the gates of a layer let through, and what its kernel makes of that.
struct Load {
    /// Of each of its plan's inputs that is a gate; none where the kernel computes all outputs.
    std::vector<std::shared_ptr<const Gate>> gates;
    double density = 1;        ///< share of the layer's MACs that are active
    std::int64_t macs = 0;     ///< active
    std::int64_t entries = 0;  ///< of the kernel's list: positions or Winograd tiles
    std::int64_t outputs = 0;  ///< active positions that they hold, or pairs
};

/// Equal layers of the networks: the same kernel on the same layer shape.
struct Layer {
    const Kernel* kernel;  ///< of the build
    std::string name;      ///< the kernel's, without the target
    std::string shape;     ///< as the plan describes it
    /// The first of them, and the way that the kernel computes it in.
    std::shared_ptr<const Graph> graph;
    const Node* node;
    const Target* target;
    std::optional<WayId> way;
    std::int64_t outputs = 1;  ///< channels of a call
    std::vector<Load> loads;   ///< from the most active to the least; each counts the same
    std::vector<int> uses;     ///< calls of it that a network has
    /// Of the constants of the largest network that has it, a power of two; 0 where the caches hold
    /// them from one image to the next.
    std::size_t network_bytes = 0;

    /// The layer by itself; none where `kernels` have none for it.
    std::optional<Alternative> plan(std::span<const Kernel> kernels = sluice::kernels()) const {
        return alternative(*graph, *node, *target, way, kernels);
    }
};

struct Workload {
    std::vector<Layer> layers;
    std::string densities;  ///< where those of the gates come from
};

/// The distinct layers of the networks that `catalogue` can tune, in the order of their first run:
/// convolutions in every way that computes them, because which one a plan takes follows from their
/// times. With a folder of images, the gates of a layer are three that occur on them, from most to
/// least active; without one, they are drawn at densities 1, 0.5 and 0.2. Those of pairs are of two
/// layers on the same image, or drawn independently.
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
