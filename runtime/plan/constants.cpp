#include "plan/constants.h"

#include <algorithm>
#include <cstring>

#include "graph/graph.h"
#include "plan/share_out.h"

namespace sluice {

/// Room for the weights, four times as much where Winograd transforms them, and as much again for
/// lists and for channels that pad a vector: growing step by step copies what there is and holds it
/// twice, and a page that nothing is written to costs nothing.
Constants::Constants(const Graph& graph) {
    std::size_t floats = std::size_t{1} << 14;
    for (const Node& node : graph.nodes) {
        if (node.fused_conv) {
            const FusedConv& conv = *node.fused_conv;
            floats += conv.is_quantised() ? conv.weights->int8s().size() / 2
                                          : 6 * conv.weights->floats().size();
        }
        for (const ValueId id : node.inputs) {
            const Constant* constant = graph.constant(id);
            floats +=
                constant != nullptr && constant->is_float() ? 2 * constant->floats().size() : 0;
        }
    }
    memory_ = AlignedMemory(floats * sizeof(float));
}

/// Null where there is no memory.
std::byte* Constants::make_room(std::size_t bytes) {
    const std::size_t at =
        std::size_t(round_up(std::int64_t(size_), std::int64_t(memory_alignment)));
    if (memory_.data() != nullptr && at + bytes > memory_.size()) {
        AlignedMemory larger(std::max(2 * memory_.size(), at + bytes));
        if (larger.data() != nullptr) {
            std::memcpy(larger.data(), memory_.data(), size_);
        }
        memory_ = std::move(larger);
    }
    size_ = at + bytes;
    return memory_.data() == nullptr ? nullptr : memory_.data() + at;
}

Buffer Constants::add(const void* data, std::size_t bytes, halide_type_t type,
                      std::vector<Axis> axes) {
    std::byte* const to = make_room(bytes);
    if (to != nullptr) {
        std::memcpy(to, data, bytes);
    }
    const auto at = std::int64_t((size_ - bytes) / std::size_t(type.bytes()));
    return {Memory::constants, 0, at, type, std::move(axes)};
}

Buffer Constants::add_parts(std::size_t bytes, halide_type_t type, std::vector<Axis> axes,
                            std::int64_t parts,
                            const std::function<void(std::byte* to, std::int64_t part)>& pack) {
    if (std::byte* const to = make_room(bytes)) {
        share_out(parts, threads_for(bytes), [&](std::int64_t part) { pack(to, part); });
    }
    const auto at = std::int64_t((size_ - bytes) / std::size_t(type.bytes()));
    return {Memory::constants, 0, at, type, std::move(axes)};
}

Buffer Constants::add_floats(std::span<const float> values, std::vector<Axis> axes) {
    return add(values.data(), values.size_bytes(), halide_type_of<float>(), std::move(axes));
}

Buffer Constants::add_ints(std::span<const std::int32_t> values, std::vector<Axis> axes) {
    return add(values.data(), values.size_bytes(), halide_type_of<std::int32_t>(), std::move(axes));
}

Buffer Constants::add_bytes(std::span<const std::uint8_t> values, std::vector<Axis> axes) {
    return add(values.data(), values.size_bytes(), halide_type_of<std::uint8_t>(), std::move(axes));
}

Buffer Constants::add_positions(std::span<const std::uint32_t> values) {
    return add(values.data(), values.size_bytes(), halide_type_of<std::uint32_t>(),
               {{std::int64_t(values.size()), 1}});
}

Buffer Constants::all_positions(std::int64_t height, std::int64_t width) {
    const auto key = std::pair(height, width);
    if (const auto found = all_positions_.find(key); found != all_positions_.end()) {
        return found->second;
    }
    std::vector<std::uint32_t> list(std::size_t(height * width));
    for (std::int64_t i = 0; i < height * width; ++i) {
        list[std::size_t(i)] = std::uint32_t(i / width) << 16 | std::uint32_t(i % width);
    }
    return all_positions_[key] = add_positions(list);
}

AlignedMemory Constants::take() {
    memory_.shrink(size_);
    return std::move(memory_);
}

}  // namespace sluice
