#pragma once

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plan/arena.h"
#include "plan/layout.h"

namespace sluice {

/// Positions of one gate map, as a scan lists them in each run.
struct GateLists {
    Buffer active, skipped;  ///< y << 16 | x
    Buffer active_count, skipped_count;
    Buffer masks;  ///< (2, group of mask_bits positions), for the scans that follow
};

/// Winograd's tiles of one gate map.
struct TileLists {
    Buffer active;   ///< row << 16 | column of the tiles that hold an active position
    Buffer skipped;  ///< the others
    Buffer active_count, skipped_count;
};

/// A map of gates (x, y) and, where a step has listed it, its positions.
struct GateMap {
    Buffer values;
    std::optional<GateLists> lists;
};

/// A gate with each of its values repeated `times` along both extents, cut to these.
struct RepeatedGate {
    ValueId gate = no_value;
    std::int64_t times = 1, width = 0, height = 0;
    auto operator<=>(const RepeatedGate&) const = default;
};

/// What a gate leaves of a layer's output: one number per channel wherever it is skipped.
struct GatedValue {
    GateLists lists;
    std::vector<float> skipped;
};

/// The first output of a tile along an extent. The last tile ends with the extent.
constexpr std::int64_t tile_start(std::int64_t tile, std::int64_t extent, std::int64_t side) {
    return std::min(tile * side, extent - side);
}

/// Tiles along an extent.
constexpr std::int64_t count_tiles(std::int64_t extent, std::int64_t side) {
    return (extent + side - 1) / side;
}

/// The scans of a plan: each gate map is listed once for all layers that obey it. The steps go to
/// the end of `steps`.
class GateScans {
public:
    GateScans(const Target& target, Arena& arena) : target_(&target), arena_(&arena) {}

    /// Lists map `channel` of a gate.
    const GateLists& lists(std::vector<Step>& steps, const std::string& node, ValueId gate,
                           const Layout& layout, std::int64_t channel);
    /// Lists a map (x, y) of gates.
    GateLists scan(std::vector<Step>& steps, const std::string& node, const Buffer& map);
    /// Picks the tiles of side x side outputs that hold an active position of a map that scan() has
    /// listed.
    const TileLists& tiles(std::vector<Step>& steps, const std::string& node,
                           const GateLists& lists, std::int64_t width, std::int64_t height,
                           std::int64_t side);

    /// The place of a map that layers of the same gate share; its buffer has no axes until a step
    /// writes it.
    GateMap& repeated(const RepeatedGate& gate) { return repeated_[gate]; }

    /// Remembers what a gate leaves of a value, for the layer that reads it.
    void set_gated(ValueId id, GatedValue value) { gated_values_[id] = std::move(value); }
    /// Null where no per-position gate is known.
    const GatedValue* gated_value(ValueId id) const;

private:
    const Target* target_;
    Arena* arena_;
    std::map<std::pair<ValueId, std::int64_t>, GateLists> lists_;
    std::map<RepeatedGate, GateMap> repeated_;
    std::map<std::pair<int, std::int64_t>, TileLists> tiles_;  ///< of masks and side
    std::map<ValueId, GatedValue> gated_values_;
};

/// "1x16x8", of a map.
std::string map_shape(std::int64_t width, std::int64_t height);

}  // namespace sluice
