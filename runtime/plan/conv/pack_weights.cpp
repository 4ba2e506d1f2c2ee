#include "plan/conv/pack_weights.h"

#include <algorithm>
#include <array>
#include <functional>

#include "plan/conv/panels.h"
#include "plan/conv/phases.h"
#include "plan/conv/winograd_weights.h"

namespace sluice {
namespace {

/// (k % lanes, c, matrix, k / lanes), the first of the `matrices` a tap each.
struct TapLayout {
    std::int64_t depth, outputs, lanes, matrices;

    std::int64_t matrix() const { return depth * lanes; }
    std::int64_t panel() const { return matrices * matrix(); }
    std::int64_t panels() const { return outputs / lanes; }
    std::int64_t size() const { return panels() * panel(); }
};

/// Output first + k's factor; null: 1.
std::array<float, packed_outputs> factors(const float* scale, std::int64_t first,
                                          std::int64_t count) {
    std::array<float, packed_outputs> result;
    result.fill(1);
    if (scale != nullptr) {
        std::copy_n(scale + first, count, result.begin());
    }
    return result;
}

/// Writes the taps of one of packed_parts(outputs), and zeros all over it where the weights lack
/// channels or outputs.
void write_taps(const Constant& weights, const float* scale, const TapLayout& layout,
                std::int64_t part, float* packed) {
    const Shape& shape = weights.shape;
    const std::int64_t channels = shape[1], taps = shape[2] * shape[3], lanes = layout.lanes;
    const std::int64_t first = part * packed_outputs;
    const std::int64_t room = std::min(packed_outputs, layout.outputs - first);
    const std::int64_t count = std::min(room, shape[0] - first);
    float* const start = packed + first / lanes * layout.panel();
    if (layout.depth != channels || layout.outputs != shape[0]) {
        std::fill_n(start, room / lanes * layout.panel(), 0.0f);
    }
    if (count <= 0) {
        return;
    }
    // A cache line of outputs at a time, so that few are read at once.
    const std::array<float, packed_outputs> by = factors(scale, first, count);
    for (std::int64_t tap = 0; tap < taps; ++tap) {
        float* to = start + tap * layout.matrix();
        const float* from = weights.floats().data() + first * channels * taps + tap;
        for (std::int64_t c = 0; c < channels; ++c, to += lanes, from += taps) {
            float* panel = to;
            for (std::int64_t k = 0; k < count; k += lanes, panel += layout.panel()) {
                const std::int64_t there = std::min(lanes, count - k);
                for (std::int64_t lane = 0; lane < there; ++lane) {
                    panel[lane] = by[std::size_t(k + lane)] * from[(k + lane) * channels * taps];
                }
            }
        }
    }
}

/// As gated_conv reads the taps of a layout: (k % lanes, kx * channel_stride + c, 1, ky, k /
/// lanes).
std::vector<Axis> tap_axes(const Shape& shape, const TapLayout& layout) {
    const std::int64_t row = shape[3] * layout.depth;
    return {{layout.lanes, 1},
            {row, layout.lanes},
            {1, row * layout.lanes},
            {shape[2], row * layout.lanes},
            {layout.panels(), layout.panel()}};
}

/// As winograd_conv reads all matrices of a layout.
std::vector<Axis> matrix_axes(const TapLayout& layout) {
    return {{layout.lanes, 1},
            {layout.depth, layout.lanes},
            {layout.matrices, layout.matrix()},
            {layout.panels(), layout.panel()}};
}

}  // namespace

Buffer pack_epilogue(Constants& constants, const Convolution& c) {
    const FusedConv& conv = c.conv;
    std::vector<float> rows(std::size_t(3 * c.outputs));
    std::copy(conv.bias.begin(), conv.bias.end(), rows.begin());
    std::copy(conv.scale.begin(), conv.scale.end(), rows.begin() + c.outputs);
    std::copy(conv.shift.begin(), conv.shift.end(), rows.begin() + 2 * c.outputs);
    return constants.add_floats(rows, {{c.outputs, 1}, {3, c.outputs}});
}

Buffer pack_scaled_epilogue(Constants& constants, const Convolution& c) {
    const FusedConv& conv = c.conv;
    std::vector<float> rows(std::size_t(3 * c.outputs), 0.0f);
    std::fill_n(rows.begin() + c.outputs, c.outputs, 1.0f);
    const auto shifts = rows.begin() + 2 * c.outputs;
    std::transform(conv.bias.begin(), conv.bias.end(), conv.scale.begin(), rows.begin(),
                   std::multiplies<>());
    std::copy(conv.shift.begin(), conv.shift.end(), shifts);
    if (conv.gate == GateForm::none) {
        std::transform(rows.begin(), rows.begin() + c.outputs, shifts, rows.begin(), std::plus<>());
    }
    return constants.add_floats(rows, {{c.outputs, 1}, {3, c.outputs}});
}

BlockInputs block_inputs(const Convolution& c, std::int64_t block) {
    const Shape& shape = c.conv.weights->shape;
    const std::int64_t outputs = shape[0] / c.conv.groups, inputs = shape[1];
    const auto group_of = [&](std::int64_t k) { return std::min(k, shape[0] - 1) / outputs; };
    const std::int64_t blocks = c.outputs / block;
    BlockInputs result{0, {}};
    for (std::int64_t b = 0; b < blocks; ++b) {
        const std::int64_t groups = group_of(b * block + block - 1) - group_of(b * block) + 1;
        result.channels = std::max(result.channels, groups * inputs);
    }
    for (std::int64_t b = 0; b < blocks; ++b) {
        const std::int64_t first = group_of(b * block) * inputs;
        const std::int64_t last = inputs * c.conv.groups - result.channels;
        result.starts.push_back(std::int32_t(std::min(first, last)));
    }
    return result;
}

namespace {

bool has_one_run(const Convolution& c) { return c.conv.groups == 1 && c.conv.dilation[1] == 1; }

/// As pack_taps of a row that is one run, times the scale; null: 1.
Buffer pack_run(Constants& constants, const Convolution& c, const float* scale,
                std::int64_t lanes) {
    const Constant& weights = *c.conv.weights;
    const TapLayout layout{c.channel_stride, c.outputs, lanes, weights.shape[2] * weights.shape[3]};
    return constants.add_packed(
        layout.size(), tap_axes(weights.shape, layout), packed_parts(c.outputs),
        [&](float* to, std::int64_t part) { write_taps(weights, scale, layout, part, to); });
}

/// (k % lanes, channel of a run, kx, ky, k / lanes) for blocks of outputs that read what
/// block_inputs says.
Buffer pack_runs(Constants& constants, const Convolution& c, const Kernel& kernel) {
    const Constant& weights = *c.conv.weights;
    const Shape& shape = weights.shape;
    const std::int64_t taps = shape[2] * shape[3], channels = shape[1], lanes = kernel.lanes;
    const std::int64_t outputs = shape[0] / c.conv.groups, panels = c.outputs / lanes;
    const BlockInputs inputs = block_inputs(c, kernel.block());
    const std::int64_t run = inputs.channels * lanes, size = taps * run;
    return constants.add_packed(
        panels * size,
        {{lanes, 1},
         {inputs.channels, lanes},
         {shape[3], run},
         {shape[2], shape[3] * run},
         {panels, size}},
        panels, [&](float* to, std::int64_t panel) {
            float* const start = to + panel * size;
            std::fill_n(start, size, 0.0F);
            const std::int64_t begin = panel * lanes, end = std::min(begin + lanes, shape[0]);
            for (std::int64_t k = begin; k < end; ++k) {
                const float* from = weights.floats().data() + k * channels * taps;
                const std::int64_t first =
                    k / outputs * channels - inputs.starts[std::size_t(k / kernel.block())];
                for (std::int64_t i = 0; i < channels * taps; ++i) {
                    start[i % taps * run + (first + i / taps) * lanes + k % lanes] = from[i];
                }
            }
        });
}

}  // namespace

Buffer pack_starts(Constants& constants, const Convolution& c, std::int64_t block) {
    const std::vector<std::int32_t> starts = block_inputs(c, block).starts;
    return constants.add_ints(starts, {{c.outputs / block, 1}});
}

Buffer pack_taps(Constants& constants, const Convolution& c, const Kernel& kernel) {
    return has_one_run(c) ? pack_run(constants, c, nullptr, kernel.lanes)
                          : pack_runs(constants, c, kernel);
}

Buffer pack_scaled_taps(Constants& constants, const Convolution& c, std::int64_t lanes) {
    return pack_run(constants, c, c.conv.scale.data(), lanes);
}

Buffer pack_channels(Constants& constants, const Convolution& c, std::int64_t block) {
    const Constant& weights = *c.conv.weights;
    const std::int64_t columns = weights.shape[3], taps = weights.shape[2] * columns;
    std::vector<float> packed(std::size_t(c.outputs * taps));
    for (std::int64_t i = 0; i < weights.shape[0] * taps; ++i) {
        const std::int64_t k = i / taps, tap = i % taps;
        packed[std::size_t((k / block * taps + tap) * block + k % block)] =
            weights.floats()[std::size_t(i)];
    }
    return constants.add_floats(packed, {{block, 1},
                                         {columns, block},
                                         {weights.shape[2], columns * block},
                                         {c.outputs / block, taps * block}});
}

Buffer pack_rows(Constants& constants, const FusedConv& conv, std::int64_t channel_stride) {
    const Shape& shape = conv.weights->shape;
    const std::int64_t rows = shape[2], row = shape[3] * channel_stride;
    std::vector<float> packed(std::size_t(shape[0] * rows * row));
    const float* from = conv.weights->floats().data();
    for (std::int64_t k = 0; k < shape[0]; ++k) {
        for (std::int64_t c = 0; c < shape[1]; ++c) {
            for (std::int64_t y = 0; y < rows; ++y) {
                for (std::int64_t x = 0; x < shape[3]; ++x) {
                    packed[std::size_t((k * rows + y) * row + x * channel_stride + c)] = *from++;
                }
            }
        }
    }
    return constants.add_floats(packed, {{row, 1}, {rows, row}, {shape[0], rows * row}});
}

std::int64_t winograd_depth(const Convolution& c) {
    return c.channel_stride * c.conv.stride[0] * c.conv.stride[1];
}

Buffer pack_points(Constants& constants, const Convolution& c, const Kernel& winograd) {
    const auto& info = winograd.as<WinogradInfo>();
    const TapLayout layout{winograd_depth(c), c.outputs, winograd.lanes,
                           winograd_points(info.side, info.taps)};
    // The window over the phases of a layer of stride 2 is smaller than its kernel.
    const bool has_phases = c.conv.stride[0] > 1;
    const Constant phases =
        has_phases ? phase_weights(*c.conv.weights, c.channel_stride) : Constant{};
    const Constant& weights = has_phases ? phases : *c.conv.weights;
    const WindowWeights window{weights.floats().data(), weights.shape[0], weights.shape[1],
                               info.taps, c.conv.scale.data()};
    const WinogradLayout to_layout{info.side, layout.depth, layout.outputs, layout.lanes};
    return constants.add_packed(
        layout.size(), matrix_axes(layout), packed_parts(c.outputs),
        [&](float* to, std::int64_t part) { transform_part(window, to_layout, part, to); });
}

bool can_share_taps(const Kernel& winograd, const Kernel& direct) {
    return winograd.as<WinogradInfo>().side == 2 && winograd.lanes == direct.lanes;
}

SharedWeights pack_taps_and_points(Constants& constants, const Convolution& c,
                                   const Kernel& winograd) {
    const Constant& weights = *c.conv.weights;
    const TapLayout layout{c.channel_stride, c.outputs, winograd.lanes, matrices_beside_taps};
    const float* const scale = c.conv.scale.data();
    const WindowWeights window{weights.floats().data(), weights.shape[0], weights.shape[1], 3,
                               scale};
    const WinogradLayout to_layout{2, layout.depth, layout.outputs, layout.lanes, true};
    SharedWeights shared;
    shared.taps = constants.add_packed(layout.size(), tap_axes(weights.shape, layout),
                                       packed_parts(c.outputs), [&](float* to, std::int64_t part) {
                                           write_taps(weights, scale, layout, part, to);
                                           transform_part(window, to_layout, part, to);
                                       });
    shared.points = shared.taps;
    shared.points.axes = matrix_axes(layout);
    return shared;
}

}  // namespace sluice
