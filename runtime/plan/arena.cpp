#include "plan/arena.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "graph/aligned.h"

namespace sluice {
namespace {

/// Blocks that are compared with each other in some 20 ms; no real network has as many.
constexpr std::size_t most_compared = 5000;

bool live_together(const Block& a, const Block& b) {
    return a.first <= b.last && b.first <= a.last;
}

/// Memory of its own for the blocks that keep the same elements, one after the other. Returns the
/// slots, alive throughout, and in `slot_of` each such block's.
std::vector<Block> share_kept(const std::vector<Block>& blocks, std::vector<std::size_t>& slot_of) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        if (blocks[i].is_used && blocks[i].kept >= 0) {
            order.push_back(i);
        }
    }
    std::stable_sort(order.begin(), order.end(), [&blocks](std::size_t a, std::size_t b) {
        return blocks[a].first < blocks[b].first;
    });
    /// The slots of one pattern: those free again, and when the others will be.
    struct Slots {
        std::set<std::size_t> free;
        std::set<std::pair<std::size_t, std::size_t>> busy;  ///< last step, slot
    };
    std::map<int, Slots> slots_of;
    std::vector<Block> slots;
    for (const std::size_t i : order) {
        auto& [free, busy] = slots_of[blocks[i].kept];
        while (!busy.empty() && busy.begin()->first < blocks[i].first) {
            free.insert(busy.begin()->second);
            busy.erase(busy.begin());
        }
        if (free.empty()) {
            free.insert(slots.size());
            slots.push_back(blocks[i]);
        }
        const std::size_t slot = *free.begin();
        free.erase(free.begin());
        busy.emplace(blocks[i].last, slot);
        slots[slot].bytes = std::max(slots[slot].bytes, blocks[i].bytes);
        slot_of[i] = slot;
    }
    for (Block& slot : slots) {
        slot.first = 0;
        slot.last = std::numeric_limits<std::size_t>::max();
    }
    return slots;
}

std::int64_t padded(const Block& block) {
    return round_up(block.bytes, std::int64_t(memory_alignment));
}

/// The free pieces of an arena that grows as needed.
class FreeList {
public:
    /// The smallest piece that is large enough; else the end, with what is free before it.
    std::int64_t take(std::int64_t size) {
        if (const auto fit = by_size_.lower_bound({size, 0}); fit != by_size_.end()) {
            const auto [found, at] = *fit;
            remove(at, found);
            give(at + size, found - size);
            return at;
        }
        std::int64_t at = total_;
        if (!by_offset_.empty()) {
            const auto [last, found] = *by_offset_.rbegin();
            if (last + found == total_) {
                remove(last, found);
                at = last;
            }
        }
        total_ = at + size;
        return at;
    }

    void give(std::int64_t at, std::int64_t size) {
        if (size == 0) {
            return;
        }
        const auto next = by_offset_.lower_bound(at);
        if (next != by_offset_.end() && next->first == at + size) {
            const std::int64_t more = next->second;
            remove(at + size, more);
            size += more;
        }
        const auto after = by_offset_.lower_bound(at);
        if (after != by_offset_.begin()) {
            const auto [before, found] = *std::prev(after);
            if (before + found == at) {
                remove(before, found);
                at = before;
                size += found;
            }
        }
        by_offset_[at] = size;
        by_size_.insert({size, at});
    }

    std::int64_t total() const { return total_; }

private:
    void remove(std::int64_t at, std::int64_t size) {
        by_offset_.erase(at);
        by_size_.erase({size, at});
    }

    std::map<std::int64_t, std::int64_t> by_offset_;           ///< to size
    std::set<std::pair<std::int64_t, std::int64_t>> by_size_;  ///< size, offset
    std::int64_t total_ = 0;
};

/// Offsets in the order in which the blocks come alive: n log n of them, and usually a little more
/// memory than place() needs.
std::int64_t place_in_order(std::vector<Block>& blocks) {
    std::vector<std::size_t> order(blocks.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&blocks](std::size_t a, std::size_t b) {
        return blocks[a].first < blocks[b].first;
    });
    FreeList free;
    std::set<std::pair<std::size_t, std::size_t>> alive;  // last step, block
    for (const std::size_t i : order) {
        while (!alive.empty() && alive.begin()->first < blocks[i].first) {
            const Block& over = blocks[alive.begin()->second];
            free.give(over.offset, padded(over));
            alive.erase(alive.begin());
        }
        blocks[i].offset = free.take(padded(blocks[i]));
        alive.emplace(blocks[i].last, i);
    }
    return free.total();
}

/// Offsets for blocks that may share memory wherever they are not alive together: larger ones
/// first, each at the lowest free place. Compares each block with all before it.
std::int64_t place(std::vector<Block>& blocks) {
    std::vector<std::size_t> order(blocks.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&blocks](std::size_t a, std::size_t b) {
        return blocks[a].bytes > blocks[b].bytes;
    });
    std::int64_t total = 0;
    std::vector<std::size_t> placed;  // by offset
    for (const std::size_t i : order) {
        Block& block = blocks[i];
        const std::int64_t size = padded(block);
        std::int64_t at = 0;
        for (const std::size_t other : placed) {
            const Block& b = blocks[other];
            if (!live_together(block, b)) {
                continue;
            }
            if (at + size <= b.offset) {
                break;
            }
            at = std::max(at, b.offset + padded(b));
        }
        block.offset = at;
        total = std::max(total, at + size);
        const auto place = std::upper_bound(placed.begin(), placed.end(), i,
                                            [&blocks](std::size_t a, std::size_t b) {
                                                return blocks[a].offset < blocks[b].offset;
                                            });
        placed.insert(place, i);
    }
    return total;
}

}  // namespace

std::int64_t place_blocks(std::vector<Block>& blocks) {
    std::vector<std::size_t> slot_of(blocks.size());
    std::vector<Block> places = share_kept(blocks, slot_of);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        if (blocks[i].is_used && blocks[i].kept < 0) {
            slot_of[i] = places.size();
            places.push_back(blocks[i]);
        }
    }
    const std::int64_t total =
        places.size() > most_compared ? place_in_order(places) : place(places);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        if (blocks[i].is_used) {
            blocks[i].offset = places[slot_of[i]].offset;
        }
    }
    return total;
}

void write_presets(std::span<const Preset> presets, std::byte* arena) {
    for (const Preset& preset : presets) {
        std::memset(arena + preset.offset, preset.value, std::size_t(preset.bytes));
    }
}

int Arena::add_block(std::int64_t bytes) {
    blocks_.push_back({bytes});
    return int(blocks_.size()) - 1;
}

void Arena::keep_others(int block, const WrittenElements& written) {
    blocks_[std::size_t(block)].kept = kept_.emplace(written, int(kept_.size())).first->second;
}

std::vector<Preset> Arena::presets() const {
    std::vector<std::uint8_t> value_of(kept_.size());
    for (const auto& [written, number] : kept_) {
        value_of[std::size_t(number)] = written.others;
    }
    std::map<std::int64_t, Preset> by_offset;
    for (const Block& block : blocks_) {
        const std::uint8_t value =
            block.is_used && block.kept >= 0 ? value_of[std::size_t(block.kept)] : 0;
        if (value != 0) {
            Preset& preset =
                by_offset.emplace(block.offset, Preset{block.offset, 0, value}).first->second;
            preset.bytes = std::max(preset.bytes, block.bytes);
        }
    }
    std::vector<Preset> presets;
    for (const auto& [offset, preset] : by_offset) {
        presets.push_back(preset);
    }
    return presets;
}

Buffer Arena::scratch(std::int64_t elements, halide_type_t type, std::vector<Axis> axes) {
    return {Memory::arena, add_block(elements * type.bytes()), 0, type, std::move(axes)};
}

void Arena::use(const Buffer& buffer, std::size_t step) {
    if (buffer.memory != Memory::arena) {
        return;
    }
    Block& block = blocks_[std::size_t(buffer.index)];
    block.first = block.is_used ? std::min(block.first, step) : step;
    block.last = block.is_used ? std::max(block.last, step) : step;
    block.is_used = true;
}

void Arena::settle(Buffer& buffer) const {
    if (buffer.memory == Memory::arena) {
        buffer.offset += blocks_[std::size_t(buffer.index)].offset / buffer.type.bytes();
    }
}

}  // namespace sluice
