#include "autotune/pair_search.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "autotune/pairs.h"

namespace sluice::autotune {
namespace {

constexpr std::int64_t mask_bits = 8;  // of generators/mask_tables.h
constexpr std::size_t conv_input = 0;

const Target& target_of(const Kernel& kernel) {
    return *std::find_if(targets().begin(), targets().end(), [&](const Target& target) {
        return std::string(target.id) == kernel.target;
    });
}

/// Rows of words beside each other.
class Words {
public:
    Buffer add(std::int64_t extent, std::int64_t rows = 0) {
        Buffer buffer;
        buffer.type = halide_type_of<std::int32_t>();
        buffer.offset = size_;
        buffer.axes = {{extent, 1}};
        if (rows > 0) {
            buffer.axes.push_back({rows, extent});
        }
        size_ += round_up(extent * std::max<std::int64_t>(rows, 1), memory_alignment / 4);
        return buffer;
    }
    std::size_t bytes() const { return static_cast<std::size_t>(size_) * 4; }

private:
    std::int64_t size_ = 0;
};

/// As `positions` writes the second row of its masks.
void set_masks(const std::vector<std::uint32_t>& open, std::int64_t per_row, std::int32_t* masks) {
    for (const std::uint32_t position : open) {
        const std::int64_t y = position >> 16, x = position & 0xffff;
        masks[(y * per_row + x / mask_bits) * 2 + 1] |= std::int32_t{1} << (x % mask_bits);
    }
}

}  // namespace

PairSearch::PairSearch(const Step& sparse, const Load& load) {
    const std::vector<Axis>& output = std::get<Buffer>(sparse.arguments.back()).axes;
    const std::int64_t width = output[1].extent, height = output[2].extent;
    const std::int64_t per_row = round_up(width, mask_bits) / mask_bits;
    const std::int64_t groups = per_row * height;
    const PairsInfo& info = sparse.kernel->as<PairsInfo>();
    const std::int64_t pixels = info.pixels;
    const std::int64_t row =
        std::get<Buffer>(sparse.arguments[conv_input]).axes[1].stride / info.channels;
    Words words;
    const Buffer from = words.add(2, groups), to = words.add(2, groups);
    const Buffer from_open = words.add(1), to_open = words.add(1), tiles = words.add(2);
    Buffer pairs = words.add(width * height + std::max(pixels, mask_bits), pair_taps);
    pairs.type = halide_type_of<std::uint32_t>();
    const Buffer counts = words.add(pair_taps + 4), around = words.add(per_row, height + 2);
    const Buffer before = words.add(pair_taps, groups + 1);
    Step step;
    step.kernel = find_kernel(Algorithm::kernel_map, target_of(*sparse.kernel));
    // Pairs that take no time always pay.
    step.arguments = {from,
                      to,
                      from_open,
                      to_open,
                      tiles,
                      static_cast<std::int32_t>(width),
                      static_cast<std::int32_t>(height),
                      static_cast<std::int32_t>(row),
                      static_cast<std::int32_t>(pixels),
                      0.0f,
                      0.0f,
                      pairs,
                      counts,
                      around,
                      before};
    arena_ = AlignedMemory(words.bytes());
    std::memset(arena_.data(), 0, words.bytes());
    auto* const memory = reinterpret_cast<std::int32_t*>(arena_.data());
    set_masks(load.inputs, per_row, memory + from.offset);
    set_masks(load.list, per_row, memory + to.offset);
    memory[from_open.offset] = static_cast<std::int32_t>(load.inputs.size());
    memory[to_open.offset] = static_cast<std::int32_t>(load.list.size());
    call_.emplace(step, arena_.data(), nullptr, 0, step.split.count);
    count_ = memory + counts.offset + pair_taps;
}

}  // namespace sluice::autotune
