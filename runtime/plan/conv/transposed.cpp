#include "plan/conv/transposed.h"

#include <algorithm>
#include <numeric>

namespace sluice {
namespace {

/// One axis of a phase; `extent` of the input, `outputs` of the layer.
void set_axis(const FusedConv& conv, std::size_t axis, std::int64_t first, std::int64_t extent,
              std::int64_t outputs, OutputPhase& phase) {
    const std::int64_t distance = conv.input_dilation[axis], step = conv.dilation[axis];
    const std::int64_t kernel = conv.weights->shape[axis + 2];
    const std::int64_t common = std::gcd(distance, step);
    // Tap i of output `first` lies at this place of the input with its zeros.
    const auto place = [&](std::int64_t i) { return first - conv.pads[axis] + i * step; };
    std::int64_t tap = 0;
    while (tap < distance / common && tap < kernel && place(tap) % distance != 0) {
        ++tap;
    }
    const std::int64_t tap_step = distance / common;
    const bool has_taps = tap < kernel && place(tap) % distance == 0;
    phase.first[axis] = first;
    phase.distance[axis] = distance;
    phase.outputs[axis] = (outputs - first + distance - 1) / distance;
    phase.first_tap[axis] = tap;
    phase.tap_step[axis] = tap_step;
    phase.taps[axis] = has_taps ? (kernel - 1 - tap) / tap_step + 1 : 0;
    phase.dilation[axis] = step / common;
    phase.pads[axis] = has_taps ? -place(tap) / distance : 0;
    const std::int64_t reach = (phase.taps[axis] - 1) * phase.dilation[axis] + 1;
    phase.pads[axis + 2] =
        has_taps ? phase.outputs[axis] - 1 + reach - extent - phase.pads[axis] : 0;
}

}  // namespace

std::vector<OutputPhase> output_phases(const FusedConv& conv, const std::int64_t (&input)[2],
                                       const std::int64_t (&output)[2]) {
    std::vector<OutputPhase> phases;
    for (std::int64_t y = 0; y < std::min(conv.input_dilation[0], output[0]); ++y) {
        for (std::int64_t x = 0; x < std::min(conv.input_dilation[1], output[1]); ++x) {
            OutputPhase phase{};
            set_axis(conv, 0, y, input[0], output[0], phase);
            set_axis(conv, 1, x, input[1], output[1], phase);
            phases.push_back(phase);
        }
    }
    return phases;
}

std::array<std::int64_t, 4> halo_of(const FusedConv& conv, const Shape& input,
                                    const Shape& output) {
    std::array<std::int64_t, 4> halo = {0, 0, 0, 0};
    const auto widen = [&halo](const std::int64_t(&pads)[4]) {
        for (std::size_t side = 0; side < 4; ++side) {
            halo[side] = std::max(halo[side], pads[side]);
        }
    };
    if (conv.is_transposed()) {
        for (const OutputPhase& phase :
             output_phases(conv, {input[1], input[2]}, {output[1], output[2]})) {
            widen(phase.pads);
        }
    } else {
        widen(conv.pads);
    }
    return halo;
}

FusedConv phase_conv(const FusedConv& conv, const OutputPhase& phase) {
    FusedConv part = conv;
    const Shape& from = conv.weights->shape;
    const Shape shape = {from[0], from[1], phase.taps[0], phase.taps[1]};
    std::vector<float> values;
    values.reserve(std::size_t(element_count(shape)));
    const float* window = conv.weights->floats().data();
    for (std::int64_t i = 0; i < from[0] * from[1]; ++i, window += from[2] * from[3]) {
        for (std::int64_t y = 0; y < phase.taps[0]; ++y) {
            const float* const row =
                window + (phase.first_tap[0] + y * phase.tap_step[0]) * from[3];
            for (std::int64_t x = 0; x < phase.taps[1]; ++x) {
                values.push_back(row[phase.first_tap[1] + x * phase.tap_step[1]]);
            }
        }
    }
    part.weights = std::make_shared<const Constant>(Constant{shape, std::move(values)});
    std::copy_n(phase.dilation, 2, part.dilation);
    std::copy_n(phase.pads, 4, part.pads);
    std::fill_n(part.input_dilation, 2, 1);
    return part;
}

}  // namespace sluice
