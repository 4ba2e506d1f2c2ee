#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "benchmark/machine.h"
#include "common/statistics.h"

namespace sluice::benchmark {

/// One engine on one model file.
struct NetworkResult {
    std::string file;      ///< without folder and extension: "resnet18_lccl_d50_synthetic"
    std::string network;   ///< the same for its variants, densities and weights: "resnet18"
    std::string variant;   ///< "lccl" where it has gates, else "dense"
    std::string weights;   ///< "trained" or "synthetic"
    bool is_int8 = false;  ///< whether it is quantised
    std::string inputs;    ///< "images" or "random normal"
    std::string engine;
    std::string version;
    std::string target;  ///< of our kernels; empty for others
    int threads = 1;
    int batch = 1;
    std::optional<apps::Times> times;  ///< of a run of the batch; none where the answer was wrong
    std::int64_t macs = 0;             ///< an image, without LCCL branches
    double macs_executed = 0;          ///< an image, branches included, the mean over the inputs
    double peak_rss_mb = 0;            ///< of the engine's process
    double idle_rss_mb = 0;            ///< before it loaded the engine: for peers, Python and numpy
    double load_ms = 0;                ///< from reading the file to the first scores
    std::optional<bool> agrees;        ///< none where no second engine answered
    std::string problem;               ///< why there are no times

    double gflops() const;  ///< of executed work; 0 without times
};

/// One kernel of the registry on one layer shape: 3x3, stride 1, as many channels out as in.
struct KernelResult {
    std::string kernel;
    std::string family;
    std::string shape_class;
    bool is_generic = false;  ///< for any number of channels
    std::string target;
    int height = 0;
    int width = 0;
    int channels = 0;
    double density = 1;       ///< asked for
    std::int64_t active = 0;  ///< positions computed, of height * width
    /// That the positions fill, and Winograd computes; 0 where they are drawn one by one.
    std::int64_t tiles = 0;
    int side = 0;  ///< of these tiles, in positions
    std::optional<apps::Times> times;
    std::optional<double> departure;  ///< from proportional time: 0.05 where it takes 5% longer
    /// Winograd: the direct kernel's time on the same positions over this one's, and the share of a
    /// tile's positions that must be active for a tile to take less time than they do one by one.
    std::optional<double> speed_up, break_even;
    std::string problem;

    bool is_int8() const { return family.ends_with("_int8"); }
    bool is_winograd() const { return family.ends_with("_winograd"); }
    /// Input channels that an output reads.
    int depth() const { return family.ends_with("_depthwise") ? 1 : channels; }
    /// Of the direct sum at the active positions, whatever a kernel multiplies.
    double macs() const { return 9.0 * depth() * channels * static_cast<double>(active); }
    double gflops() const;
    /// float32 operations a byte, where input, weights and outputs are moved once.
    double intensity() const;
};

/// One gated layer inside a network: all steps of its convolution that ran, direct or Winograd's,
/// and of its branch where that is a kernel of its own.
struct LayerResult {
    std::string network;  ///< the file's name
    std::string layer;
    std::string shape;
    double density = 1;
    double gated_ms = 0;
    double branch_ms = 0;       ///< of gated_ms
    std::string dense_kernel;   ///< what a plan computes the layer by where it has no gate
    double dense_ms = 0;        ///< of that kernel, in turn with the network
    double executed_share = 1;  ///< executed MACs / dense MACs, branch included

    double theoretical() const { return 1 / executed_share; }  ///< infinite where all is skipped
    double realised() const { return dense_ms / gated_ms; }
};

/// One step of a network's plan.
struct StepResult {
    std::string network;  ///< the file's name
    std::string node;
    std::string kernel;
    std::string shape;
    double ms = 0;
    double macs = 0;  ///< executed
};

struct Report {
    Machine machine;
    std::vector<NetworkResult> networks;
    std::vector<KernelResult> kernels;
    std::vector<LayerResult> layers;
    std::vector<StepResult> steps;
};

}  // namespace sluice::benchmark
