#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "graph/aligned.h"
#include "plan/step.h"

namespace sluice {

struct Graph;

/// The constants of a plan in one piece of memory, each aligned: packed weights, tables, lists of
/// positions. Where there is no memory, places are given all the same and nothing is written.
class Constants {
public:
    /// Reserves what the weights of the graph usually need.
    explicit Constants(const Graph& graph);

    Buffer add_floats(std::span<const float> values, std::vector<Axis> axes);
    /// `count` elements that `pack` writes part by part: each of the `parts` apart from the others,
    /// many at once where there is much to write. It throws nothing, and is not called where there
    /// is no memory.
    template <typename T>
    Buffer add_packed_as(std::int64_t count, std::vector<Axis> axes, std::int64_t parts,
                         const std::function<void(T* to, std::int64_t part)>& pack) {
        return add_parts(
            std::size_t(count) * sizeof(T), halide_type_of<T>(), std::move(axes), parts,
            [&pack](std::byte* to, std::int64_t part) { pack(reinterpret_cast<T*>(to), part); });
    }
    Buffer add_packed(std::int64_t count, std::vector<Axis> axes, std::int64_t parts,
                      const std::function<void(float* to, std::int64_t part)>& pack) {
        return add_packed_as<float>(count, std::move(axes), parts, pack);
    }
    Buffer add_ints(std::span<const std::int32_t> values, std::vector<Axis> axes);
    Buffer add_bytes(std::span<const std::uint8_t> values, std::vector<Axis> axes);
    Buffer add_positions(std::span<const std::uint32_t> values);
    /// All positions of a map.
    Buffer all_positions(std::int64_t height, std::int64_t width);

    /// The memory, which the buffers' offsets count from; null data() where there was too little.
    AlignedMemory take();

private:
    Buffer add(const void* data, std::size_t bytes, halide_type_t type, std::vector<Axis> axes);
    Buffer add_parts(std::size_t bytes, halide_type_t type, std::vector<Axis> axes,
                     std::int64_t parts,
                     const std::function<void(std::byte* to, std::int64_t part)>& pack);
    std::byte* make_room(std::size_t bytes);

    AlignedMemory memory_;  ///< its first size_ bytes are written
    std::size_t size_ = 0;
    std::map<std::pair<std::int64_t, std::int64_t>, Buffer> all_positions_;
};

}  // namespace sluice
