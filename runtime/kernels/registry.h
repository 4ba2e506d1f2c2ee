#pragma once

#include <HalideRuntime.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "sluice/status.h"

namespace sluice {

/// What a kernel computes: the generator of that name in generators/ states its arguments, or the
/// generator that the family's rows of generators/kernels.json name.
enum class Family {
    dense_conv,
    gated_conv,
    element_conv,  // gated_conv.cpp
    dense_winograd,
    gated_winograd,
    element_winograd,  // winograd_conv.cpp
    dot_conv,
    sparse_conv,
    branch,
    positions,
    tiles,
    kernel_map,
    open_count,
    elements,
    fill,
    max_pool,
    average_pool,
    global_average_pool,
    linear,
    softmax,
    add,
    sub,
    mul,
    div,  // binary.cpp
    affine,
    copy,
    resize,
};

/// Whether a kernel of the family computes tiles: those of winograd_conv.cpp.
constexpr bool is_winograd(Family family) {
    return family == Family::dense_winograd || family == Family::gated_winograd ||
           family == Family::element_winograd;
}

/// A generated kernel: one pointer an argument, in the generator's order, inputs before outputs; to
/// the halide_buffer_t of a buffer and to the value of a scalar. Returns 0.
using KernelFunction = int (*)(void** arguments);

/// One compiled object: family x shape class x target.
struct Kernel {
    const char* name;
    Family family;
    const char* shape_class;
    const char* target;
    int kernel_size;  ///< 0: any; winograd_conv: taps of a phase along an extent
    int pitch;        ///< channel pitch of the input in floats; 0: any
    int stride;       ///< winograd_conv: of the layer, which has stride * stride phases; else 1
    int pixels;       ///< entries of a list that are computed together; 1 where there is none
    int vectors;      ///< output channels are a multiple of vectors * lanes
    int lanes;
    int side;  ///< winograd_conv: of a tile of outputs; 0 for all others
    /// dot_conv: density beyond which the dense kernel takes less time. winograd_conv: share of a
    /// tile's outputs that are open beyond which it takes less time than the direct kernel.
    /// sparse_conv: share of the taps of open outputs that are pairs beyond which the direct kernel
    /// takes less time. 1: none is known.
    double break_even;
    KernelFunction function;

    int block() const { return vectors * lanes; }
    /// winograd_conv: channels of all phases.
    int depth() const { return pitch * stride * stride; }
};

/// A row of schedules/targets.json.
struct Target {
    const char* id;
    const char* float32;    ///< id of the target whose float32 kernels serve this one
    const char* requires_;  ///< CPU flags, comma-separated
    int lanes;
    int priority;  ///< higher is preferred
};

std::span<const Kernel> kernels();
std::span<const Target> targets();

/// The target named, or for an empty name $SLUICE_TARGET, or else the best that this CPU runs. An
/// unknown or unsupported name is an error that lists the possible ones.
Result<const Target*> choose_target(const std::string& name);

/// The family's shape-generic kernel for the target, or null.
const Kernel* find_kernel(Family family, const Target& target);

/// What a kernel has to fit of a convolution; y before x.
struct ConvLayer {
    std::int64_t kernel[2] = {1, 1};
    std::int64_t stride[2] = {1, 1};
    std::int64_t pads[4] = {0, 0, 0, 0};  ///< top, left, bottom, right
    std::int64_t input[2] = {1, 1};       ///< rows and columns, with the padding
    std::int64_t output[2] = {1, 1};      ///< rows and columns
    std::int64_t channel_stride = 1;      ///< of the input, in floats
    /// Output channels of a call, a multiple of the lanes where they are not a gate's group alone.
    std::int64_t outputs = 1;
    /// Whether a vector that begins in the input's last pixel ends in memory that may be read.
    bool has_tail = false;
};

/// Whether a kernel computes a layer: its row of the table held against all that its generator
/// requires. The gate's form is the family's.
bool fits(const Kernel& kernel, const ConvLayer& layer);

/// The most specialised kernel that fits the layer, or null where the family has none for the
/// target.
const Kernel* find_conv(Family family, const Target& target, const ConvLayer& layer);

}  // namespace sluice
