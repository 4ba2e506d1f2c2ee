#pragma once

#include "kernels/registry.h"

namespace sluice::kernel_test {

/// A layer of square kernels with same padding over a map of 32x32 outputs.
inline ConvLayer square_layer(std::int64_t kernel, std::int64_t channels, std::int64_t outputs,
                              std::int64_t stride = 1) {
    constexpr std::int64_t extent = 32;
    const std::int64_t pad = kernel / 2, input = extent * stride + 2 * pad;
    return {.kernel = {kernel, kernel},
            .stride = {stride, stride},
            .pads = {pad, pad, pad, pad},
            .input = {input, input},
            .output = {extent, extent},
            .channel_stride = channels,
            .outputs = outputs};
}

}  // namespace sluice::kernel_test
