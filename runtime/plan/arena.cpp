#include "plan/arena.h"

#include <algorithm>
#include <numeric>

#include "plan/aligned.h"

namespace sluice {
namespace {

bool live_together(const Block& a, const Block& b) {
    return a.first <= b.last && b.first <= a.last;
}

}  // namespace

std::int64_t place_blocks(std::vector<Block>& blocks) {
    std::vector<std::size_t> order(blocks.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&blocks](std::size_t a, std::size_t b) {
        return blocks[a].elements > blocks[b].elements;
    });
    std::int64_t total = 0;
    std::vector<std::size_t> placed;  // by offset
    for (const std::size_t i : order) {
        Block& block = blocks[i];
        if (!block.is_used) {
            continue;
        }
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

}  // namespace sluice
