#include "plan/arena.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "plan/aligned.h"

namespace sluice {
namespace {

bool live_together(const Block& a, const Block& b) {
    return a.first <= b.last && b.first <= a.last;
}

/// Memory of its own for the blocks that keep the same zeros, one after the other. Returns the
/// slots, alive throughout, and in `slot_of` each such block's.
std::vector<Block> share_zeros(const std::vector<Block>& blocks,
                               std::vector<std::size_t>& slot_of) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        if (blocks[i].is_used && blocks[i].zeros >= 0) {
            order.push_back(i);
        }
    }
    std::stable_sort(order.begin(), order.end(), [&blocks](std::size_t a, std::size_t b) {
        return blocks[a].first < blocks[b].first;
    });
    std::vector<Block> slots;
    for (const std::size_t i : order) {
        const auto slot = std::find_if(slots.begin(), slots.end(), [&](const Block& s) {
            return s.zeros == blocks[i].zeros && s.last < blocks[i].first;
        });
        slot_of[i] = std::size_t(slot - slots.begin());
        if (slot == slots.end()) {
            slots.push_back(blocks[i]);
        } else {
            slot->last = blocks[i].last;
            slot->elements = std::max(slot->elements, blocks[i].elements);
        }
    }
    for (Block& slot : slots) {
        slot.first = 0;
        slot.last = std::numeric_limits<std::size_t>::max();
    }
    return slots;
}

/// Offsets for blocks that may share memory wherever they are not alive together.
std::int64_t place(std::vector<Block>& blocks) {
    std::vector<std::size_t> order(blocks.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&blocks](std::size_t a, std::size_t b) {
        return blocks[a].elements > blocks[b].elements;
    });
    std::int64_t total = 0;
    std::vector<std::size_t> placed;  // by offset
    for (const std::size_t i : order) {
        Block& block = blocks[i];
        const std::int64_t size = round_up(block.elements, std::int64_t(memory_alignment / 4));
        std::int64_t at = 0;
        for (const std::size_t other : placed) {
            const Block& b = blocks[other];
            if (!live_together(block, b)) {
                continue;
            }
            if (at + size <= b.offset) {
                break;
            }
            at = std::max(at, b.offset + round_up(b.elements, std::int64_t(memory_alignment / 4)));
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
    std::vector<Block> places = share_zeros(blocks, slot_of);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        if (blocks[i].is_used && blocks[i].zeros < 0) {
            slot_of[i] = places.size();
            places.push_back(blocks[i]);
        }
    }
    const std::int64_t total = place(places);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        if (blocks[i].is_used) {
            blocks[i].offset = places[slot_of[i]].offset;
        }
    }
    return total;
}

}  // namespace sluice
