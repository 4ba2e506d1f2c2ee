#pragma once

#include <HalideRuntime.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "sluice/status.h"

namespace sluice {

/// What a kernel computes; a row of generators/kernels.json each.
enum class Family { dense_conv, gated_conv, element_conv };

/// Arguments as the generator `gated_conv` names them: input, positions, weights, epilogue, gate,
/// residual, stride_x, stride_y, input_pitch, act_low, act_high, post_low, post_high, output.
using ConvFunction = int (*)(halide_buffer_t*, halide_buffer_t*, halide_buffer_t*, halide_buffer_t*,
                             halide_buffer_t*, halide_buffer_t*, std::int32_t, std::int32_t,
                             std::int32_t, float, float, float, float, halide_buffer_t*);

/// One compiled object: family x shape class x target.
struct Kernel {
    const char* name;
    Family family;
    const char* shape_class;
    const char* target;
    int kernel_size;  ///< 0: any
    int pitch;        ///< channel pitch of the input in floats; 0: any
    int pixels;       ///< the position list is a multiple of this long
    int vectors;      ///< output channels are a multiple of vectors * lanes
    int lanes;
    ConvFunction function;

    int block() const { return vectors * lanes; }
};

/// A row of schedules/targets.json.
struct Target {
    const char* id;
    const char* float32;   ///< id of the target whose float32 kernels serve this one
    const char* requires_; ///< CPU flags, comma-separated
    int lanes;
    int priority;          ///< higher is preferred
};

std::span<const Kernel> kernels();
std::span<const Target> targets();

/// The target named, or for an empty name $SLUICE_TARGET, or else the best that this CPU runs. An
/// unknown or unsupported name is an error that lists the possible ones.
Result<const Target*> choose_target(const std::string& name);

/// The most specialised kernel for the shape, or null where the family has none for the target.
/// `pitch` and `output_pitch` are channel pitches in floats.
const Kernel* find_conv(Family family, const Target& target, int kernel_size, int pitch,
                        int output_pitch);

}  // namespace sluice
