#include <algorithm>
#include <array>
#include <numeric>

#include "plan/conv_common.h"
#include "plan/winograd_weights.h"

namespace sluice {
namespace {

/// A cache line of outputs.
constexpr std::int64_t most_lanes = 16;

/// (k % block, c, matrix, k / block), the first of the `matrices` a tap each.
struct TapLayout {
    std::int64_t pitch, outputs, block, matrices;

    std::int64_t matrix() const { return pitch * block; }
    std::int64_t blocks() const { return outputs / block; }
    std::int64_t block_size() const { return matrices * matrix(); }
    std::int64_t size() const { return blocks() * block_size(); }
};

/// Output first + k's factor; null: 1.
std::array<float, most_lanes> factors(const float* scale, std::int64_t first, std::int64_t count) {
    std::array<float, most_lanes> result;
    result.fill(1);
    if (scale != nullptr) {
        std::copy_n(scale + first, count, result.begin());
    }
    return result;
}

/// Writes the taps of one block of outputs, and zeros all over it where the weights lack channels
/// or outputs.
void write_taps(const Constant& weights, const float* scale, const TapLayout& layout,
                std::int64_t number, float* packed) {
    const Shape& shape = weights.shape;
    const std::int64_t channels = shape[1], taps = shape[2] * shape[3], block = layout.block;
    float* const start = packed + number * layout.block_size();
    if (layout.pitch != channels || layout.outputs != shape[0]) {
        std::fill_n(start, layout.block_size(), 0.0f);
    }
    // A line of outputs at a time, so that lines are written once and few are read at once.
    const std::int64_t line = std::gcd(block, most_lanes);
    const std::int64_t end = std::min((number + 1) * block, shape[0]);
    for (std::int64_t first = number * block; first < end; first += line) {
        const std::int64_t count = std::min(line, end - first);
        const std::array<float, most_lanes> by = factors(scale, first, count);
        for (std::int64_t tap = 0; tap < taps; ++tap) {
            float* to = start + tap * layout.matrix() + first % block;
            const float* from = weights.floats().data() + first * channels * taps + tap;
            for (std::int64_t c = 0; c < channels; ++c, to += block, from += taps) {
                for (std::int64_t k = 0; k < count; ++k) {
                    to[k] = by[std::size_t(k)] * from[k * channels * taps];
                }
            }
        }
    }
}

/// As gated_conv reads the taps of a layout: (k % block, kx * pitch + c, ky, k / block).
std::vector<Axis> tap_axes(const Shape& shape, const TapLayout& layout) {
    const std::int64_t row = shape[3] * layout.pitch;
    return {{layout.block, 1},
            {row, layout.block},
            {shape[2], row * layout.block},
            {layout.outputs / layout.block, layout.matrices * layout.matrix()}};
}

/// As winograd_conv reads all matrices of a layout.
std::vector<Axis> matrix_axes(const TapLayout& layout) {
    return {{layout.block, 1},
            {layout.pitch, layout.block},
            {layout.matrices, layout.matrix()},
            {layout.outputs / layout.block, layout.matrices * layout.matrix()}};
}

}  // namespace

Buffer pack_taps(Builder& builder, const Conv& c, std::int64_t block) {
    const Constant& weights = *c.conv.weights;
    const TapLayout layout{c.input_pitch, c.outputs, block, weights.shape[2] * weights.shape[3]};
    return builder.constants.add_packed(
        layout.size(), tap_axes(weights.shape, layout), layout.blocks(),
        [&](float* to, std::int64_t part) { write_taps(weights, nullptr, layout, part, to); });
}

void pack_direct(Builder& builder, Conv& c) {
    c.weights = pack_taps(builder, c, c.kernel->block());
}

void pack_transformed(Builder& builder, Conv& c, const Constant& weights) {
    const Kernel& kernel = *c.winograd;
    const WinogradInfo& info = kernel.as<WinogradInfo>();
    const std::int64_t side = info.side, taps = info.taps;
    const TapLayout layout{info.depth(), c.outputs, kernel.block(), winograd_points(side, taps)};
    const WindowWeights window{weights.floats().data(), weights.shape[0], weights.shape[1], taps,
                               c.conv.scale.data()};
    const WinogradLayout winograd{side, layout.pitch, layout.outputs, layout.block};
    c.transformed = builder.constants.add_packed(
        layout.size(), matrix_axes(layout), layout.blocks(),
        [&](float* to, std::int64_t part) { transform_block(window, winograd, part, to); });
}

bool can_share_taps(const Conv& c) {
    return c.winograd->as<WinogradInfo>().side == 2 && c.winograd->block() == c.kernel->block();
}

void pack_together(Builder& builder, Conv& c) {
    const Constant& weights = *c.conv.weights;
    const TapLayout layout{c.input_pitch, c.outputs, c.kernel->block(), matrices_beside_taps};
    const float* const scale = c.conv.scale.data();
    const WindowWeights window{weights.floats().data(), weights.shape[0], weights.shape[1], 3,
                               scale};
    const WinogradLayout winograd{2, layout.pitch, layout.outputs, layout.block, true};
    c.weights = builder.constants.add_packed(layout.size(), tap_axes(weights.shape, layout),
                                             layout.blocks(), [&](float* to, std::int64_t part) {
                                                 write_taps(weights, scale, layout, part, to);
                                                 transform_block(window, winograd, part, to);
                                             });
    c.transformed = c.weights;
    c.transformed.axes = matrix_axes(layout);
}

}  // namespace sluice
