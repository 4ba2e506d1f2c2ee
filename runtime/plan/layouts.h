#pragma once

#include <array>
#include <map>
#include <optional>
#include <vector>

#include "graph/aligned.h"
#include "plan/arena.h"
#include "plan/layout.h"
#include "plan/readers.h"

namespace sluice {

/// The layouts of a graph's values, in blocks of the arena.
class Layouts {
public:
    Layouts(const Graph& graph, const Readers& readers, std::int64_t lanes, Arena& arena);

    /// Of a value that is planned already.
    const Layout& of(ValueId id) const { return *layouts_[std::size_t(id)]; }
    void set(ValueId id, Layout layout);

    /// Extents of one image of a value: its shape without the batch.
    Shape image_shape(ValueId id) const;
    /// Elements of one image of a value in memory, halo and spare lanes with it.
    std::int64_t padded_elements(ValueId id) const;
    std::int64_t channel_stride(std::int64_t channels) const { return round_up(channels, lanes_); }

    /// Memory for a node's output: its halo, and the lanes beside its channels that the node does
    /// not write, are zeros.
    Layout allocate(const Node& node, bool writes_all_lanes);
    /// Memory for an input of the graph, or for what quantises a value: the output of `node`. One
    /// that convolutions alone read has no lanes beside its channels, nor has a map that only gates
    /// read.
    Layout allocate_input(const Node& node);
    /// The layout that allocate() would give the node's output, with all lanes, in the memory of
    /// one of its inputs. None where that looks otherwise, or something else is read from it after
    /// the node.
    std::optional<Layout> reuse(const Node& node, ValueId input) const;
    /// Arena memory for an image (channel, x, y) without halo that only the next steps use, zeros
    /// in the lanes beside its channels.
    Buffer scratch_image(std::int64_t channels, std::int64_t width, std::int64_t height,
                         ElementType type = ElementType::float32);

private:
    void measure_halos();
    /// Without memory: what the value's type says.
    Layout empty_layout(ValueId id) const;
    /// Without memory.
    Layout image_layout(ValueId id, std::int64_t channel_stride) const;
    /// With memory of its own, of whose elements the writer leaves some as they are.
    Layout with_memory(Layout layout, bool writes_all_lanes);
    std::optional<WrittenElements> written(const Layout& layout, bool writes_all_lanes) const;

    const Graph* graph_;
    const Readers* readers_;
    std::int64_t lanes_;
    Arena* arena_;
    std::vector<std::optional<Layout>> layouts_;
    std::vector<std::array<std::int64_t, 4>> halos_;
    /// What lies in a block of the arena.
    struct Contents {
        std::optional<WrittenElements> written;
        std::vector<ValueId> values;
    };
    std::map<int, Contents> contents_;
};

}  // namespace sluice
