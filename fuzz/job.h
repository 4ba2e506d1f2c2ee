#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "fuzz/guarded_memory.h"
#include "sluice/status.h"

namespace sluice::fuzz {

using Extents = std::vector<std::int64_t>;

/// float32 values of a model's input, dense, row-major in ONNX order.
struct Input {
    Extents shape;
    std::vector<float> values;
};

/// One way to run a model.
struct Variant {
    std::string target;
    int threads = 1;
    bool winograd = true;
    Guard guard = Guard::at_end;
};

/// A model, and what to try with it.
struct Job {
    std::filesystem::path model;
    std::filesystem::path
        output;  ///< float32 of every variant, input set and output, in this order
    std::vector<std::vector<Input>> sets;  ///< each one value for each of the model's inputs
    std::vector<Variant> variants;
    double load_seconds = 0;     ///< of processor time, for a load
    double run_seconds = 0;      ///< of processor time for a run, and a second for every 10^9 MACs
    std::int64_t most_macs = 0;  ///< beyond, a model is loaded and not run
    std::int64_t most_elements = 0;  ///< likewise, of all its outputs together
    std::size_t most_bytes = 0;      ///< of memory: of a block, and eight times as much in all
};

/// Reads a job from a line of JSON, as fuzz/mutator/runner.py writes it.
Result<Job> read_job(const std::string& line);

}  // namespace sluice::fuzz
