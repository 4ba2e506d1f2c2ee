#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/status.h"
#include "sluice/tensor.h"

namespace sluice {

struct Plan;

struct ModelOptions {
    /// A target's id of schedules/targets.json ("avx2"); empty: $SLUICE_TARGET, else the best
    /// that this CPU runs.
    std::string target;
    /// Whether 3x3 convolutions, and 7x7 ones of stride 2 over images, may be computed by
    /// Winograd's minimal filtering. It takes a third to two thirds of the time. It rounds about
    /// ten times as coarsely: to 1e-5 of the largest value. A value that is not finite then spreads
    /// over its Winograd tile of up to 4x4 outputs. A ReLU before a gate is computed after it, so
    /// that 0 times an infinite gate is 0. The kernels' stacks take up to 600 KiB.
    bool winograd = true;
    /// Whether a quantised file is computed on bytes. Without it layers are computed in float32,
    /// with the weights that the file holds: values between them are clamped to the ranges that the
    /// file states, and not rounded. Scores then differ from the file's by its roundings. It takes
    /// less time where Winograd's float32 kernels overtake int8's, as for small images on AVX2.
    bool int8 = true;
    /// Height and width of the inputs [N, C, H, W] whose file leaves them symbolic; without it such
    /// a file is refused. Extents that the file fixes stay as they are: Model::inputs() has them.
    /// A plan is of one size. For images of another, load the file again with that size, and make a
    /// session of that model: models are independent of each other, and each holds its own weights.
    std::optional<ImageSize> size = std::nullopt;
    /// Bytes that a core's L2 cache holds. Layers whose maps are more run in turns, some rows each,
    /// where they are 1x1 or depthwise convolutions or pools one after the other: each then reads
    /// what is in the cache still. The answer does not depend on it.
    std::int64_t cache_bytes = 1 << 20;
};

/// One gated layer of a model, as `Session::gates` reports on it. Where the gate is zero the
/// convolution is skipped, and counts as zero.
struct GateInfo {
    std::string layer;        ///< name of the gated convolution's ONNX node
    std::int64_t groups = 1;  ///< maps: 1 (per position), G (per channel group), K (per element)
    std::int64_t height = 0;  ///< of each map, in gates
    std::int64_t width = 0;
    std::int64_t grid = 1;           ///< output pixels along each side that one gate governs
    std::int64_t macs = 0;           ///< of the convolution with nothing skipped
    bool skips = false;              ///< false where all is computed, then multiplied by the gate
    std::int64_t output_height = 0;  ///< of the layer
    std::int64_t output_width = 0;
};

/// One step of a model's plan, in the order of their runs.
struct StepInfo {
    std::string node;  ///< name of the ONNX node that it computes, or a part of it
    std::string kernel;
    std::string shape;      ///< what it makes of what: "16x32x32 -> 16x32x32, 3x3"
    std::string algorithm;  ///< of the kernel, a row of generators/kernels.json
    std::int64_t macs = 0;  ///< per image, whatever the gates say
    /// And for each entry of the list that a gate leaves: a position, or a pair of two.
    std::int64_t macs_per_entry = 0;
    std::int64_t packed_bytes = 0;  ///< of its weights
    std::string remark;
    /// Numbers of the earlier steps that wrote the memory that it reads, in ascending order.
    std::vector<std::size_t> reads;
    std::vector<std::string> inputs, outputs;  ///< of the model, that it reads and writes
};

/// A network, read, planned and packed for one target. Immutable, and shared by copies. Any number
/// of sessions in any threads may run it.
class Model {
public:
    /// Reads an ONNX file (opset 7 to 24). Fails with a line that names file, node and remedy.
    /// Weights of 2 MiB and more are packed by several threads, which end before it returns: one
    /// for each MiB, at most one for each core, at most 16. `SessionOptions::threads` is of runs.
    static Result<Model> load(const std::filesystem::path& path, const ModelOptions& options = {});

    const std::vector<TensorInfo>& inputs() const;
    const std::vector<TensorInfo>& outputs() const;
    /// ONNX metadata_props: the exporter's labels and normalisation among them.
    const std::map<std::string, std::string>& metadata() const;
    const std::vector<GateInfo>& gates() const;
    std::vector<StepInfo> steps() const;
    /// The target's id that the kernels were compiled for.
    const std::string& target() const;
    /// MACs per image of the network without its LCCL branches.
    std::int64_t macs() const;
    /// MACs per image of the LCCL branches.
    std::int64_t lccl_macs() const;
    /// The plan, a line per step: kernel, shape, target, packed bytes, and why a gate was not
    /// fused.
    std::string explain() const;

private:
    friend class Session;
    explicit Model(std::shared_ptr<const Plan> plan);
    std::shared_ptr<const Plan> plan_;
};

}  // namespace sluice
