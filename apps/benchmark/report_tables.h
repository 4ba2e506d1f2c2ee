#pragma once

#include <span>
#include <string>
#include <vector>

#include "benchmark/results.h"
#include "common/table.h"

namespace sluice::benchmark {

/// A row an engine and network; the last column says why a row has no times.
apps::Table network_table(std::span<const NetworkResult> rows, const Machine& machine);
/// A row a kernel and density.
apps::Table kernel_table(std::span<const KernelResult> rows, const Machine& machine);
/// A row a gated layer: what its skipped MACs promise, and what its time keeps of it.
apps::Table layer_table(std::span<const LayerResult> rows);
/// One row for all layers of a network that have the same shape: their mean, and as `layer` how
/// many they are. A network of a hundred layers has few shapes.
std::vector<LayerResult> merge_by_shape(std::span<const LayerResult> rows);
/// A row a step, with its share of the network's time.
apps::Table step_table(std::span<const StepResult> rows, const Machine& machine);

/// "AMD EPYC, 2 cores, FMA peak of a core 115.1 GFLOPS, reads ...".
std::string describe(const Machine& machine);

}  // namespace sluice::benchmark
