#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "plan/step.h"

namespace sluice::autotune {

/// y << 16 | x of positions, or row << 16 | column of Winograd's tiles, row after row.
using List = std::vector<std::uint32_t>;

/// The step that computes by Winograd what one of a plan computes directly, whether it pays or not;
/// none where no kernel does, or the step is no such convolution. It shares the step's buffers but
/// for the list, of the map's tiles, and the weights, which are the kernel's to pack. A gate stands
/// for one position, as where the direct kernel reads it.
std::optional<Step> winograd_step(const Step& direct, const Target& target);

/// A map of outputs, cut into tiles of side x side. Those at its ends end with it.
struct TiledMap {
    std::int64_t height, width, side;
};
List all_tiles(const TiledMap& map);
/// The tiles that hold any of the positions, as generators/tiles.cpp picks them.
List tiles_of(const List& positions, const TiledMap& map);
/// How many positions the tiles hold, each counted once.
std::int64_t count_positions(const List& tiles, const TiledMap& map);

}  // namespace sluice::autotune
