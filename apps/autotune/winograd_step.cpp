#include "autotune/winograd_step.h"

#include <algorithm>
#include <set>

#include "plan/builder.h"  // count_tiles
#include "plan/winograd_weights.h"

namespace sluice::autotune {
namespace {

// Arguments of generators/gated_conv.cpp; winograd_conv has one integer for the three and one
// clamp.
constexpr std::size_t conv_input = 0, conv_list = 1, conv_weights = 2;
constexpr std::size_t conv_stride_x = 6, conv_stride_y = 7, conv_pitch = 8, conv_post = 11;

List positions_in(std::uint32_t tile, const TiledMap& map) {
    const std::int64_t first_y = tile_start(tile >> 16, map.height, map.side);
    const std::int64_t first_x = tile_start(tile & 0xffff, map.width, map.side);
    List positions;
    for (std::int64_t y = first_y; y < first_y + map.side; ++y) {
        for (std::int64_t x = first_x; x < first_x + map.side; ++x) {
            positions.push_back(static_cast<std::uint32_t>(y << 16 | x));
        }
    }
    return positions;
}

/// The layer that a direct step computes; its pads are those of its input, and not apart.
ConvLayer layer_of(const Step& direct) {
    const auto integer = [&direct](std::size_t argument) {
        return std::int64_t{std::get<std::int32_t>(direct.arguments[argument])};
    };
    const std::vector<Axis>& weights = std::get<Buffer>(direct.arguments[conv_weights]).axes;
    const std::vector<Axis>& input = std::get<Buffer>(direct.arguments[conv_input]).axes;
    const std::vector<Axis>& output = std::get<Buffer>(direct.arguments.back()).axes;
    ConvLayer layer;
    layer.channel_stride = integer(conv_pitch);
    layer.kernel[0] = weights[2].extent;
    layer.kernel[1] = weights[1].extent / layer.channel_stride;
    layer.stride[0] = integer(conv_stride_y);
    layer.stride[1] = integer(conv_stride_x);
    layer.input[0] = input[1].extent;
    layer.input[1] = input[0].extent / layer.channel_stride;
    layer.output[0] = output[2].extent;
    layer.output[1] = output[1].extent;
    layer.outputs = output[0].extent;
    return layer;
}

/// The kernel that the plan takes for a layer: of windows of stride 1, or of the phases of stride
/// 2, in place or copied (runtime/plan/lower_phases.cpp).
const Kernel* find_winograd(const Step& direct, const Target& target) {
    const GateForm gate = direct.kernel->gate;
    ConvLayer layer = layer_of(direct);
    const Kernel* in_place = find_conv(Algorithm::winograd_conv, gate, target, layer);
    if (in_place != nullptr || gate != GateForm::none || layer.stride[0] != 2 ||
        layer.stride[1] != 2 || layer.kernel[0] != layer.kernel[1]) {
        return in_place;
    }
    for (std::size_t axis = 0; axis < 2; ++axis) {
        layer.kernel[axis] = (layer.kernel[axis] + 1) / 2;
        layer.stride[axis] = 1;
        layer.input[axis] /= 2;
    }
    layer.channel_stride *= 4;
    layer.has_tail = true;
    return find_conv(Algorithm::winograd_conv, gate, target, layer);
}

/// The direct step with Winograd's kernel in its place.
Step step_of(const Step& direct, const Kernel& kernel) {
    const Buffer& output = std::get<Buffer>(direct.arguments.back());
    const std::int64_t outputs = output.axes[0].extent, width = output.axes[1].extent;
    const WinogradInfo& info = kernel.as<WinogradInfo>();
    const std::int64_t height = output.axes[2].extent, side = info.side, size = info.taps;
    const std::int64_t tiles = count_tiles(height, side) * count_tiles(width, side);
    const std::int64_t depth = info.depth(), block = kernel.block(), matrix = depth * block;
    const std::int64_t points = winograd_points(side, size);
    Step step = direct;
    step.kernel = &kernel;
    std::get<Buffer>(step.arguments[conv_weights]).axes = {
        {block, 1}, {depth, block}, {points, matrix}, {outputs / block, points * matrix}};
    if (std::get<std::int32_t>(direct.arguments[conv_stride_x]) != info.stride) {
        const std::int64_t row = (width + size - 1) * info.channels;
        std::get<Buffer>(step.arguments[conv_input]).axes = {{row, 1}, {height + size - 1, row}};
    }
    std::get<Buffer>(step.arguments[conv_list]).axes = {{tiles, 1}};
    step.arguments[conv_stride_x] = std::int32_t{0};  // winograd_conv's gate_shift
    step.arguments.erase(step.arguments.begin() + conv_stride_y,
                         step.arguments.begin() + conv_post);
    step.split = {};
    step.list.tile = info.pixels;
    step.list.static_count = direct.list.static_count >= 0 ? tiles : -1;
    return step;
}

}  // namespace

std::optional<Step> winograd_step(const Step& direct, const Target& target) {
    const bool is_direct = direct.kernel->algorithm == Algorithm::gated_conv;
    const Kernel* kernel = is_direct ? find_winograd(direct, target) : nullptr;
    return kernel != nullptr ? std::optional(step_of(direct, *kernel)) : std::nullopt;
}

List all_tiles(const TiledMap& map) {
    List tiles;
    for (std::int64_t row = 0; row < count_tiles(map.height, map.side); ++row) {
        for (std::int64_t column = 0; column < count_tiles(map.width, map.side); ++column) {
            tiles.push_back(static_cast<std::uint32_t>(row << 16 | column));
        }
    }
    return tiles;
}

List tiles_of(const List& positions, const TiledMap& map) {
    const std::set<std::uint32_t> open(positions.begin(), positions.end());
    List tiles = all_tiles(map);
    std::erase_if(tiles, [&](std::uint32_t tile) {
        const List inside = positions_in(tile, map);
        return std::none_of(inside.begin(), inside.end(),
                            [&](std::uint32_t position) { return open.contains(position); });
    });
    return tiles;
}

std::int64_t count_positions(const List& tiles, const TiledMap& map) {
    std::set<std::uint32_t> positions;
    for (const std::uint32_t tile : tiles) {
        const List inside = positions_in(tile, map);
        positions.insert(inside.begin(), inside.end());
    }
    return static_cast<std::int64_t>(positions.size());
}

}  // namespace sluice::autotune
