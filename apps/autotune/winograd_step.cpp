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

/// The kernel that the plan takes for a layer: of windows of stride 1, or of the phases of stride
/// 2, in place or copied (runtime/plan/lower_phases.cpp).
const Kernel* find_winograd(const Step& direct, Family family, const Target& target) {
    const auto integer = [&direct](std::size_t argument) {
        return std::int64_t{std::get<std::int32_t>(direct.arguments[argument])};
    };
    const std::vector<Axis>& weights = std::get<Buffer>(direct.arguments[conv_weights]).axes;
    const std::int64_t kernel = weights[2].extent, pitch = integer(conv_pitch);
    const std::int64_t stride = integer(conv_stride_x);
    if (weights[1].extent != kernel * pitch || integer(conv_stride_y) != stride) {
        return nullptr;
    }
    const Buffer& output = std::get<Buffer>(direct.arguments.back());
    const auto find = [&](std::int64_t taps, std::int64_t channels) {
        return find_conv(family, target, static_cast<int>(taps), static_cast<int>(channels),
                         static_cast<int>(output.axes[0].extent));
    };
    if (stride == 1) {
        return kernel == 3 ? find(kernel, pitch) : nullptr;
    }
    const std::vector<Axis>& input = std::get<Buffer>(direct.arguments[conv_input]).axes;
    const std::int64_t taps = (kernel + 1) / 2;
    const bool has_phases = stride == 2 &&
                            input[0].extent >= 2 * (output.axes[1].extent + taps - 1) * pitch &&
                            input[1].extent >= 2 * (output.axes[2].extent + taps - 1);
    if (!has_phases) {
        return nullptr;
    }
    const Kernel* in_place = kernel == 3 ? find(taps, pitch) : nullptr;
    const bool copies = in_place == nullptr && family == Family::dense_winograd;
    return copies ? find(taps, 4 * pitch) : in_place;
}

/// The direct step with Winograd's kernel in its place; none where the map is smaller than a tile.
std::optional<Step> step_of(const Step& direct, const Kernel& kernel) {
    const Buffer& output = std::get<Buffer>(direct.arguments.back());
    const std::int64_t outputs = output.axes[0].extent, width = output.axes[1].extent;
    const std::int64_t height = output.axes[2].extent, side = kernel.side,
                       size = kernel.kernel_size;
    if (height < side || width < side) {
        return std::nullopt;
    }
    const std::int64_t tiles = count_tiles(height, side) * count_tiles(width, side);
    const std::int64_t depth = kernel.depth(), block = kernel.block(), matrix = depth * block;
    const std::int64_t points = winograd_points(side, size);
    Step step = direct;
    step.kernel = &kernel;
    std::get<Buffer>(step.arguments[conv_weights]).axes = {
        {block, 1}, {depth, block}, {points, matrix}, {outputs / block, points * matrix}};
    if (std::get<std::int32_t>(direct.arguments[conv_stride_x]) != kernel.stride) {
        const std::int64_t row = (width + size - 1) * kernel.pitch;
        std::get<Buffer>(step.arguments[conv_input]).axes = {{row, 1}, {height + size - 1, row}};
    }
    std::get<Buffer>(step.arguments[conv_list]).axes = {{tiles, 1}};
    step.arguments[conv_stride_x] = std::int32_t{0};  // winograd_conv's gate_shift
    step.arguments.erase(step.arguments.begin() + conv_stride_y,
                         step.arguments.begin() + conv_post);
    step.split = {};
    step.list.tile = kernel.pixels;
    step.list.static_count = direct.list.static_count >= 0 ? tiles : -1;
    return step;
}

}  // namespace

std::optional<Family> winograd_family(Family direct) {
    switch (direct) {
        case Family::dense_conv:
            return Family::dense_winograd;
        case Family::gated_conv:
            return Family::gated_winograd;
        case Family::element_conv:
            return Family::element_winograd;
        default:
            return std::nullopt;
    }
}

std::optional<Step> winograd_step(const Step& direct, const Target& target) {
    const std::optional<Family> family = winograd_family(direct.kernel->family);
    const Kernel* kernel = family ? find_winograd(direct, *family, target) : nullptr;
    return kernel != nullptr ? step_of(direct, *kernel) : std::nullopt;
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
