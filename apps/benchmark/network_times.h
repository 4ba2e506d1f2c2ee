#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "benchmark/engine.h"
#include "benchmark/results.h"

namespace sluice::benchmark {

struct NetworkQuestion {
    std::filesystem::path model;
    std::optional<std::filesystem::path> data;
    std::string target;
    bool int8 = true;  ///< ModelOptions::int8
    int threads = 1;
    int batch = 1;
    std::optional<ImageSize> size;  ///< of a symbolic input
    double seconds = 2;             ///< for each engine
    bool layers = false;
    /// Ours first. The reference for the answers is the first peer that gives one.
    std::vector<Engine> engines;
};

struct NetworkTimes {
    std::vector<NetworkResult> results;  ///< one an engine, in their order
    std::vector<StepResult> steps;
    std::vector<LayerResult> layers;
};

/// Runs one model file in each engine, in rounds that visit each, after all have given the same
/// answer: one that has not gets no times. An engine that fails is a result with a problem; what is
/// wrong with the model or the data, or our own engine, fails as a whole.
Result<NetworkTimes> time_network(const NetworkQuestion& question);

/// "resnet20_cifar10" for "resnet20_lccl_cifar10", "resnet18" for "resnet18_lccl_d50_synthetic".
std::string network_name(const std::string& file);

}  // namespace sluice::benchmark
