#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "sluice/model.h"
#include "sluice/status.h"
#include "sluice/tensor.h"

namespace sluice {

struct SessionOptions {
    /// That run together, the caller's own included. A batch is shared out by images. A single
    /// image is shared out by the work within its layers. Where the model takes batches, each
    /// thread has memory of its own.
    int threads = 1;
    bool record_gates = false;  ///< keep each gate's values for `Session::gates`
    bool record_steps = false;  ///< time each step for `Session::steps`; costs two clock readings
};

/// What a gate let through in the last run. `values` ([groups, height, width], of the last image
/// of the batch) is empty unless the session records gates.
struct GateReading {
    std::int64_t active = 0;  ///< gates that were not zero, of `total`
    std::int64_t total = 0;   ///< groups * height * width
    std::span<const float> values;
    double density() const { return total ? double(active) / double(total) : 1.0; }
};

/// What a step of the plan did in the last run, all images of the batch together.
struct StepReading {
    double seconds = 0;
    std::int64_t macs = 0;  ///< executed
};

/// Memory and threads to run one model, one run at a time. A run allocates nothing.
class Session {
public:
    static Result<Session> create(const Model& model, const SessionOptions& options = {});
    Session(Session&&) noexcept;
    Session& operator=(Session&&) noexcept;
    ~Session();

    /// One view for each of the model's inputs and outputs, in their order. Fails on a wrong count
    /// or shape, naming the tensor, the shape it has and the shape it needs.
    ///
    /// NaN and infinities of inputs and weights come out as from ONNX Runtime without its
    /// optimiser, with four exceptions:
    /// - A skipped convolution counts as zero, even where it is NaN or infinite and ONNX's product
    ///   with the gate would be NaN.
    /// - Winograd's kernels spread them: see ModelOptions::winograd.
    /// - Groups of few channels read their neighbours' times zero: docs/limits.md.
    /// - MaxPool gives NaN for every window that holds one. ONNX leaves it undefined. ONNX
    ///   Runtime gives NaN for some places of the window.
    Status run(std::span<const TensorView> inputs, std::span<const MutableTensorView> outputs);

    /// The images that these inputs bring: what an extent of -1 of an output is in `run` with them.
    /// Fails as `run` does where they do not fit. Any thread may ask, whatever runs.
    Result<std::int64_t> batch_of(std::span<const TensorView> inputs) const;

    /// MACs of the last run, all images of the batch together, LCCL branches included.
    std::int64_t macs_executed() const;
    /// One reading for each of Model::gates(), for the last image of the last run.
    std::span<const GateReading> gates() const;
    /// One reading for each of Model::steps(); empty unless the session records steps.
    std::span<const StepReading> steps() const;

private:
    struct State;
    explicit Session(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace sluice
