#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "kernels/kernel.h"
#include "sluice/status.h"

namespace sluice {

/// A row of schedules/targets.json.
struct Target {
    const char* id;
    const char* base;       ///< the target that has what this one has no kernels of; empty: none
    const char* requires_;  ///< CPU flags, comma-separated
    int lanes;
    int priority;  ///< higher is preferred
};

std::span<const Kernel> kernels();
std::span<const Target> targets();

/// The target named, or for an empty name $SLUICE_TARGET, or else the best that this CPU runs. An
/// unknown or unsupported name is an error that lists the possible ones.
Result<const Target*> choose_target(const std::string& name);

/// Whether a kernel is the target's own, its base's, or one of that one's base's.
bool is_for(const Kernel& kernel, const Target& target);
/// The target's base; null where it has none.
const Target* base_of(const Target& target);

/// The algorithm's shape-generic kernel for the target among `from`, its own before its base's, or
/// null.
const Kernel* find_kernel(std::span<const Kernel> from, Algorithm algorithm, const Target& target);
/// Among all kernels of the build.
inline const Kernel* find_kernel(Algorithm algorithm, const Target& target) {
    return find_kernel(kernels(), algorithm, target);
}
const Kernel* find_kernel(BinaryOperation operation, const Target& target);
const Kernel* find_kernel(ActivationKind kind, const Target& target);
/// Of Algorithm::reduce or reduce_along.
const Kernel* find_kernel(ReduceOperation operation, Algorithm algorithm, const Target& target);

/// What a kernel has to fit of a convolution; y before x.
struct ConvLayer {
    std::int64_t kernel[2] = {1, 1};
    std::int64_t stride[2] = {1, 1};
    std::int64_t pads[4] = {0, 0, 0, 0};  ///< top, left, bottom, right
    std::int64_t input[2] = {1, 1};       ///< rows and columns, with the padding
    std::int64_t output[2] = {1, 1};      ///< rows and columns
    std::int64_t channel_stride = 1;      ///< of the input, in its elements
    /// Output channels of a call, a multiple of the lanes where they are not a gate's group alone.
    std::int64_t outputs = 1;
    /// Whether a vector that begins in the input's last pixel ends in memory that may be read.
    bool has_tail = false;
    std::int64_t dilation[2] = {1, 1};
    std::int64_t groups = 1;
    bool is_depthwise = false;  ///< a group for each input channel
};

/// Whether a kernel computes a layer, whatever its gate: its row of the table held against all that
/// its generator requires.
bool fits(const Kernel& kernel, const ConvLayer& layer);

/// The algorithm's most specialised kernel of a gate form among `from` that fits the layer, of
/// several the one with the largest block, or null where there is none for the target. One of its
/// own goes before all of its base's.
const Kernel* find_conv(std::span<const Kernel> from, Algorithm algorithm, GateForm gate,
                        const Target& target, const ConvLayer& layer);
/// Among all kernels of the build.
inline const Kernel* find_conv(Algorithm algorithm, GateForm gate, const Target& target,
                               const ConvLayer& layer) {
    return find_conv(kernels(), algorithm, gate, target, layer);
}

}  // namespace sluice
