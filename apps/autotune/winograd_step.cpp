#include "autotune/winograd_step.h"

#include <algorithm>
#include <set>

#include "plan/builder.h"  // count_tiles
#include "plan/winograd_weights.h"

namespace sluice::autotune {
namespace {

// Arguments of generators/gated_conv.cpp; winograd_conv has one integer for the three and one clamp.
constexpr std::size_t conv_list = 1, conv_weights = 2;
constexpr std::size_t conv_stride_x = 6, conv_stride_y = 7, conv_pitch = 8, conv_post = 11;

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

List positions_in(std::uint32_t tile, const TiledMap& map) {
    const std::int64_t first_y = std::min((tile >> 16) * map.side, map.height - map.side);
    const std::int64_t first_x = std::min((tile & 0xffff) * map.side, map.width - map.side);
    List positions;
    for (std::int64_t y = first_y; y < first_y + map.side; ++y) {
        for (std::int64_t x = first_x; x < first_x + map.side; ++x) {
            positions.push_back(static_cast<std::uint32_t>(y << 16 | x));
        }
    }
    return positions;
}

}  // namespace

std::optional<Step> winograd_step(const Step& direct, const Target& target) {
    const std::optional<Family> family = winograd_family(direct.kernel->family);
    if (!family) {
        return std::nullopt;
    }
    const auto integer = [&direct](std::size_t argument) {
        return std::int64_t{std::get<std::int32_t>(direct.arguments[argument])};
    };
    const Buffer& output = std::get<Buffer>(direct.arguments.back());
    const std::int64_t outputs = output.axes[0].extent, width = output.axes[1].extent;
    const std::int64_t height = output.axes[2].extent, pitch = integer(conv_pitch);
    Buffer weights = std::get<Buffer>(direct.arguments[conv_weights]);
    const bool is_3x3 = weights.axes[1].extent == 3 * pitch && weights.axes[2].extent == 3 &&
                        integer(conv_stride_x) == 1 && integer(conv_stride_y) == 1;
    const Kernel* kernel =
        is_3x3 ? find_conv(*family, target, 3, static_cast<int>(pitch), static_cast<int>(outputs))
               : nullptr;
    if (kernel == nullptr || height < kernel->side || width < kernel->side) {
        return std::nullopt;
    }
    const std::int64_t tiles = count_tiles(height, kernel->side) * count_tiles(width, kernel->side);
    const std::int64_t block = kernel->block(), matrix = pitch * block;
    const std::int64_t points = winograd_points(kernel->side);
    weights.axes = {
        {block, 1}, {pitch, block}, {points, matrix}, {outputs / block, points * matrix}};
    Step step = direct;
    step.kernel = kernel;
    step.arguments[conv_weights] = weights;
    std::get<Buffer>(step.arguments[conv_list]).axes = {{tiles, 1}};
    step.arguments[conv_stride_x] = std::int32_t{0};  // winograd_conv's gate_shift
    step.arguments.erase(step.arguments.begin() + conv_stride_y,
                         step.arguments.begin() + conv_post);
    step.split = {};
    step.list.tile = kernel->pixels;
    step.list.static_count = direct.list.static_count >= 0 ? tiles : -1;
    return step;
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
