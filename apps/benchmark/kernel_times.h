#pragma once

#include <functional>
#include <string>
#include <vector>

#include "benchmark/results.h"
#include "kernels/registry.h"
#include "sluice/status.h"

namespace sluice::benchmark {

struct LayerShape {
    int height = 0;
    int width = 0;
    int channels = 0;
    bool operator==(const LayerShape&) const = default;
};

/// "56x56x64".
std::string to_text(const LayerShape& shape);

/// The 3x3 layers of ResNets at 224x224 and at 32x32.
std::vector<LayerShape> standard_shapes();

struct KernelQuestion {
    std::vector<Family> families = {Family::dense_conv, Family::gated_conv};
    std::vector<LayerShape> shapes = standard_shapes();
    std::vector<double> densities = {1.0, 0.7, 0.5, 0.3, 0.1};
    double seconds = 2;  ///< for each shape
};

/// Times the shape-specialised and the shape-generic kernels side by side on random masks, in
/// rounds that visit each; `done` gets the rows of each shape as they are there. A row whose answer
/// is not the scalar one has no times. Where there is no specialised kernel, a row says so. Fails
/// where `done` does.
Result<std::vector<KernelResult>> time_kernels(
    const KernelQuestion& question, const Target& target,
    const std::function<Status(const std::vector<KernelResult>&)>& done);

}  // namespace sluice::benchmark
