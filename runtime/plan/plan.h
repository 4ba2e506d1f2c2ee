#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/aligned.h"
#include "graph/graph.h"
#include "kernels/registry.h"
#include "plan/arena.h"
#include "plan/step.h"
#include "plan/strips.h"
#include "sluice/model.h"
#include "sluice/status.h"

namespace sluice {

/// How a session reads a gate after the step that obeys it.
struct GateSource {
    std::size_t step = 0;        ///< the gate's memory holds its values once this step has run
    Buffer values;               ///< (x, y, group), strides as they lie
    std::vector<Buffer> counts;  ///< of active gates, an int32 per group; empty for element gates
};

/// A network made ready for one target: steps in order, packed weights, one arena. It computes one
/// image at a time; immutable, and shared by all sessions of a model.
struct Plan {
    std::string file;
    std::string target_id;
    std::vector<TensorInfo> inputs, outputs;
    std::string batch_remark;  ///< why a symbolic batch is fixed at 1; else empty
    std::map<std::string, std::string> metadata;
    std::vector<GateInfo> gates;
    std::vector<GateSource> gate_sources;  ///< one for each of `gates`
    std::vector<Step> steps;
    std::vector<Chain> chains;  ///< steps that run in turns; all others run one after the other
    AlignedMemory constants;
    /// Zeros when a session begins, but for the presets: halos and spare lanes stay so.
    std::size_t arena_bytes = 0;
    std::vector<Preset> presets;
    std::int64_t macs = 0;         ///< per image, without the LCCL branches
    std::int64_t branch_macs = 0;  ///< per image, of the LCCL branches
};

/// A way of computing a convolution: each is a file of conv/.
enum class WayId { direct, depthwise, linear, winograd, pairs, per_element, int8, int8_depthwise };

struct PlanOptions {
    bool winograd = true;                ///< ModelOptions::winograd
    std::int64_t cache_bytes = 1 << 20;  ///< ModelOptions::cache_bytes
    /// Takes this way alone wherever it computes a layer, and the direct one elsewhere, whatever
    /// they cost: for measurements.
    std::optional<WayId> only = {};
    /// What the kernels of convolutions and Gemms are taken from.
    std::span<const Kernel> kernels = sluice::kernels();
};

/// Plans an optimised graph, whose weights it lets go of as it packs them. Fails on an operator or
/// a form of it that no kernel computes, naming the node.
Result<std::shared_ptr<const Plan>> make_plan(Graph graph, const Target& target,
                                              const PlanOptions& options = {});

/// A line per step: node, kernel, shape, MACs, packed bytes, remarks.
std::string explain(const Plan& plan);

}  // namespace sluice
