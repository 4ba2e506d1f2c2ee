#pragma once

#include <vector>

#include "kernels/memory.h"
#include "reference/operators.h"

/// Images as the plan hands them to the kernels around the convolutions.
namespace sluice::kernel_test {

/// Channels of a call and the channel strides of its input and output, in floats.
struct Lanes {
    int computed, input_stride, output_stride;
};

/// The plan computes all lanes where both channel strides are the same, and the channels alone
/// where a network's own input has no lanes beside them.
inline std::vector<Lanes> lane_forms(int channels, int lanes) {
    const int channel_stride = round_up(channels, lanes);
    return {{channels, channels, channels},
            {channel_stride, channel_stride, channel_stride},
            {channels, channels, channel_stride}};
}

/// [1, C, H, W] as (c, x, y): zeros in computed lanes beyond C. The last element meets a guarded
/// page.
inline Strided image(const reference::Tensor& t, int computed, int channel_stride) {
    const int channels = int(t.shape[1]), height = int(t.shape[2]), width = int(t.shape[3]);
    Strided out({{computed, 1}, {width, channel_stride}, {height, width * channel_stride}}, 0);
    out.fill([&](const Index& at) {
        return at[0] < channels ? t.data[std::size_t((at[0] * height + at[2]) * width + at[1])]
                                : 0.0f;
    });
    return out;
}

/// An output of (c, x, y) with a gap of one pixel behind each row, as a halo leaves it.
inline Strided output_image(int computed, int channel_stride, int width, int height) {
    return Strided({{computed, 1}, {width, channel_stride}, {height, (width + 1) * channel_stride}},
                   output_margin);
}

/// Reads [1, C, H, W] at (c, x, y) of an output whose row 0 is row `first_row`; zeros in lanes
/// beyond C.
inline auto at_image(const reference::Tensor& t, int first_row = 0) {
    return [&t, first_row](const Index& at) {
        const int channels = int(t.shape[1]), height = int(t.shape[2]), width = int(t.shape[3]);
        const int i = (at[0] * height + first_row + at[2]) * width + at[1];
        return at[0] < channels ? t.data[std::size_t(i)] : 0.0f;
    };
}

}  // namespace sluice::kernel_test
