#pragma once

#include <span>
#include <string>
#include <vector>

#include "benchmark/results.h"
#include "graph/graph.h"
#include "sluice/model.h"

namespace sluice::benchmark {

struct LayerTimes {
    std::vector<StepResult> steps;
    std::vector<LayerResult> layers;
};

/// Times every step of a network on one thread, image by image, and in turn with it the kernel
/// that a plan computes each layer by, whose gate skips positions, were there no gate. `graph` is
/// the model's, optimised, and `images` holds whole inputs of `shape`, one after the other. A
/// figure is the mean over the images of each one's median.
Result<LayerTimes> time_layers(const Model& model, const Graph& graph,
                               std::span<const float> images, std::span<const std::int64_t> shape,
                               double seconds);

}  // namespace sluice::benchmark
