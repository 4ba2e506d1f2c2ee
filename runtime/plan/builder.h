#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "plan/arena.h"
#include "plan/constants.h"
#include "plan/plan.h"
#include "plan/readers.h"

namespace sluice {

/// Where one picture of a value lies. Pictures [C, H, W] are NHWC with a channel pitch and a halo
/// of zeros; everything else is dense and row-major. The halo holds the padding of every
/// convolution that reads the value, itself or through an alias, and between the channels and the
/// pitch lie zeros or what the writer makes of zeros: check_conv holds a layout against its reader.
struct Layout {
    Memory memory = Memory::arena;
    int index = 0;            ///< of the block
    std::int64_t origin = 0;  ///< elements from the block's start to the first of the value
    std::vector<Axis> axes;   ///< of one picture, in ONNX order
    std::int64_t halo[4] = {0, 0, 0, 0};  ///< top, left, bottom, right, in pixels

    bool is_picture() const { return axes.size() == 3; }
    std::int64_t channels() const { return axes[0].extent; }
    std::int64_t height() const { return axes[1].extent; }
    std::int64_t width() const { return axes[2].extent; }
    std::int64_t row() const { return axes[1].stride; }
    std::int64_t pitch() const { return axes[2].stride; }
};

/// The lists that a scan of one gate map writes.
struct GateLists {
    Buffer active, skipped;
    Buffer active_count, skipped_count;
    Buffer masks;  ///< (2, group of positions): a scratch of the scan
};

/// What a gate leaves of a layer's output: one number a channel wherever it is closed.
struct GatedValue {
    GateLists lists;
    std::vector<float> closed;
};

/// Winograd's tiles of one gate map.
struct TileLists {
    Buffer open;    ///< tiles where any gate is open
    Buffer closed;  ///< the others
    Buffer open_count, closed_count;
    Buffer pays;  ///< 1 where computing these tiles takes less time than the positions, else 0
};

/// Tiles along an extent; the last one ends with it.
constexpr std::int64_t count_tiles(std::int64_t extent, std::int64_t side) {
    return (extent + side - 1) / side;
}

/// The first output of a tile along an extent.
constexpr std::int64_t tile_start(std::int64_t tile, std::int64_t extent, std::int64_t side) {
    return std::min(tile * side, extent - side);
}

/// Whether the node's output is its input, halo and all.
inline bool is_alias(const Node& node) { return node.op == Op::identity || node.op == Op::cast; }

/// What the lowering functions of lower.h share while a plan is made.
class Builder {
public:
    Builder(const Graph& graph, const Target& target, const PlanOptions& options);

    const Graph& graph;
    const Target& target;
    const PlanOptions options;
    const std::int64_t lanes;
    Constants constants;  ///< without memory, finish() fails
    Plan plan;

    /// The layout of a node's input, which must be planned already.
    const Layout& layout(ValueId id) const { return *layouts_[std::size_t(id)]; }
    /// Extents of one picture of a value: its shape without the batch.
    Shape picture_shape(ValueId id) const;
    /// Elements of one picture of a value in memory, halo and spare lanes with it.
    std::int64_t padded_elements(ValueId id) const;
    std::int64_t channel_pitch(std::int64_t channels) const { return round_up(channels, lanes); }

    /// Memory for a node's output: its halo, and the lanes of the pitch that the node does not
    /// write, are zeros.
    const Layout& allocate(const Node& node, bool writes_all_lanes);
    /// Memory for an input of the graph (the output of `node`). One that convolutions alone read
    /// has no lanes beside its channels.
    const Layout& allocate_input(const Node& node);
    /// Whether all readers of a value copy it, from any strides.
    bool only_copied(ValueId id) const;
    /// Whether all readers of a value take it for a gate.
    bool only_gates(ValueId id) const;
    /// Lets a value share the memory of another.
    void alias(ValueId id, Layout layout) { layouts_[std::size_t(id)] = std::move(layout); }
    /// Arena memory that only the next steps use.
    Buffer scratch(std::int64_t elements, halide_type_t type, std::vector<Axis> axes);
    /// The same for a picture (channel, x, y) without halo, zeros in the lanes beside its channels.
    Buffer scratch_picture(std::int64_t channels, std::int64_t width, std::int64_t height);

    /// Scans channel `channel` of a gate, once for all convolutions that obey it.
    const GateLists& gate_lists(const Node& node, ValueId gate, std::int64_t channel);
    /// Scans a map (x, y) of gates.
    GateLists scan(const Node& node, const Buffer& map);

    /// Remembers what a gate leaves of a value, for the layer that reads it.
    void set_gated(ValueId id, GatedValue value) { gated_values_[id] = std::move(value); }
    /// Null where no gate a position is known.
    const GatedValue* gated_value(ValueId id) const {
        const auto found = gated_values_.find(id);
        return found == gated_values_.end() ? nullptr : &found->second;
    }

    /// Picks the tiles of a map of gates that scan() has listed, for a Winograd kernel; once for
    /// all that have the same tiles and break even alike.
    const TileLists& tiles(const Node& node, const GateLists& lists, const Buffer& map,
                           const Kernel& winograd);

    /// The shape-generic kernel of a family; fails where the target has none.
    Result<const Kernel*> kernel(const Node& node, Algorithm algorithm) const;
    Result<const Kernel*> kernel(const Node& node, BinaryOperation operation) const;
    void emit(Step step);
    Status unsupported(const Node& node, std::string what, std::string remedy) const;

    /// Gives arena offsets and constants their place; the plan is complete afterwards.
    Status finish();

private:
    void measure_halos();
    bool only_convolutions(ValueId id) const;
    Layout picture_layout(ValueId id, std::int64_t pitch);
    Result<const Kernel*> checked(const Node& node, const Kernel* found) const;
    const Layout& settle(const Node& node, Layout layout, bool writes_all_lanes);
    void keep_zeros(const Layout& layout, bool writes_all_lanes);
    void use(const Buffer& buffer);

    const Readers readers_;
    std::vector<std::optional<Layout>> layouts_;
    std::vector<std::array<std::int64_t, 4>> halos_;
    std::vector<Block> blocks_;
    std::map<std::array<std::int64_t, 6>, int> zeros_;
    std::map<std::pair<ValueId, std::int64_t>, GateLists> gate_lists_;
    std::map<ValueId, GatedValue> gated_values_;
    std::map<std::tuple<int, std::int64_t, double>, TileLists> tiles_;
};

/// Row-major without gaps.
std::vector<Axis> dense_axes(const Shape& shape);
/// A value's elements as a buffer with axes in ONNX order.
Buffer view(const Layout& layout);
/// A picture as generators see it: (c, x, y) with `channels` of each pixel.
Buffer pixels(const Layout& layout, std::int64_t channels);

}  // namespace sluice
