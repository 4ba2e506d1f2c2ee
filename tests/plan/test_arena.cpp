#include <catch2/catch.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <random>

#include "graph/aligned.h"
#include "plan/arena.h"

using namespace sluice;

namespace {

constexpr std::int64_t alignment = std::int64_t(memory_alignment);

/// Marks each byte of the arena, at every step, by the block that is alive there.
void check_by_marking(const std::vector<Block>& blocks, std::int64_t size) {
    constexpr std::size_t steps = 30;
    std::int64_t clashes = 0, outside = 0;
    for (std::size_t step = 0; step < steps; ++step) {
        std::vector<bool> taken(static_cast<std::size_t>(size));
        for (const Block& block : blocks) {
            const bool alive = block.is_used && block.first <= step && step <= block.last;
            for (std::int64_t i = 0; alive && i < block.bytes; ++i) {
                const std::int64_t at = block.offset + i;
                if (at < 0 || at >= size) {
                    ++outside;
                    continue;
                }
                clashes += taken[std::size_t(at)];
                taken[std::size_t(at)] = true;
            }
        }
    }
    REQUIRE(outside == 0);
    REQUIRE(clashes == 0);
    for (const Block& block : blocks) {
        REQUIRE((!block.is_used || block.offset % alignment == 0));
    }
}

/// The most bytes alive at once, which no placement can undercut.
std::int64_t most_alive(const std::vector<Block>& blocks) {
    std::int64_t most = 0;
    for (const Block& now : blocks) {
        std::int64_t alive = 0;
        for (const Block& block : blocks) {
            const bool lives = block.is_used && block.first <= now.first && now.first <= block.last;
            alive += lives ? round_up(block.bytes, alignment) : 0;
        }
        most = std::max(most, alive);
    }
    return most;
}

}  // namespace

TEST_CASE("blocks alive together never overlap") {
    const unsigned seed = 20261124;
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const auto draw = [&random](int low, int high) {
        return std::uniform_int_distribution<int>(low, high)(random);
    };
    std::int64_t sizes = 0, bounds = 0, together = 0;
    for (int trial = 0; trial < 300; ++trial) {
        std::vector<Block> blocks(std::size_t(draw(0, 25)));
        for (Block& block : blocks) {
            block.bytes = draw(1, 800);
            block.first = std::size_t(draw(0, 20));
            block.last = block.first + std::size_t(draw(0, 8));
            block.is_used = draw(0, 9) > 0;
            together += block.is_used ? round_up(block.bytes, alignment) : 0;
        }
        INFO("trial " << trial);
        const std::int64_t size = place_blocks(blocks);
        check_by_marking(blocks, size);
        const std::int64_t bound = most_alive(blocks);
        REQUIRE(size >= bound);
        sizes += size;
        bounds += bound;
    }
    // Reuse is what the placement is for: near the bound, and far below no reuse at all.
    CHECK(double(sizes) < 1.2 * double(bounds));
    CHECK(double(sizes) < 0.7 * double(together));
}

TEST_CASE("memory is used again once its last reader has run") {
    std::vector<Block> chain;
    for (std::size_t step = 0; step < 10; ++step) {
        chain.push_back({640, step, step + 1, true, -1});
    }
    CHECK(place_blocks(chain) == 2 * 640);
    // Read at the step that writes the next: both live then.
    CHECK(chain[0].offset != chain[1].offset);
    CHECK(chain[0].offset == chain[2].offset);

    std::vector<Block> none;
    CHECK(place_blocks(none) == 0);
    std::vector<Block> unused = {{1000, 0, 5, false, -1}, {1, 0, 5, true, -1}};
    CHECK(place_blocks(unused) == alignment);
}

TEST_CASE("blocks that keep elements share memory only with others that keep the same") {
    const unsigned seed = 7;
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const auto draw = [&random](int low, int high) {
        return std::uniform_int_distribution<int>(low, high)(random);
    };
    const auto overlap = [](const Block& a, const Block& b) {
        return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
    };
    int shared = 0;
    for (int trial = 0; trial < 200; ++trial) {
        std::vector<Block> blocks(std::size_t(draw(1, 25)));
        for (Block& block : blocks) {
            block.kept = draw(-1, 2);
            // As in a plan: the same pattern means the same extents.
            block.bytes = block.kept < 0 ? draw(1, 800) : 192 * (block.kept + 1);
            block.first = std::size_t(draw(0, 20));
            block.last = block.first + std::size_t(draw(0, 8));
            block.is_used = true;
        }
        check_by_marking(blocks, place_blocks(blocks));
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j) {
                const Block &a = blocks[i], &b = blocks[j];
                if (!overlap(a, b)) {
                    continue;
                }
                INFO("trial " << trial << ", blocks " << i << " and " << j);
                REQUIRE(a.kept == b.kept);
                REQUIRE((a.kept < 0 || a.offset == b.offset));
                shared += a.kept >= 0;
            }
        }
    }
    CHECK(shared > 0);
}

TEST_CASE("many blocks are placed without comparing each with all") {
    const unsigned seed = 11;
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const auto draw = [&random](int low, int high) {
        return std::uniform_int_distribution<int>(low, high)(random);
    };
    constexpr int count = 20000;
    std::vector<Block> blocks(count);
    for (int i = 0; i < count; ++i) {
        Block& block = blocks[std::size_t(i)];
        block.bytes = 64 * draw(0, 20);
        block.first = std::size_t(i / 2);
        block.last = block.first + std::size_t(draw(0, 9) ? draw(0, 5) : draw(0, 5000));
        block.is_used = draw(0, 9) > 0;
        block.kept = draw(0, 3) == 0 ? draw(0, 2) : -1;
    }
    const std::int64_t size = place_blocks(blocks);
    // A sweep over the steps, with what is alive in the order of its offsets.
    std::vector<std::size_t> by_first, by_last;
    std::int64_t alive = 0, most_alive_at_once = 0;
    std::map<std::int64_t, std::int64_t> taken;  // end by offset
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        if (blocks[i].is_used && blocks[i].bytes > 0 && blocks[i].kept < 0) {
            by_first.push_back(i);
        }
    }
    by_last = by_first;
    std::stable_sort(by_last.begin(), by_last.end(),
                     [&](std::size_t a, std::size_t b) { return blocks[a].last < blocks[b].last; });
    auto ending = by_last.begin();
    for (const std::size_t i : by_first) {
        for (; blocks[*ending].last < blocks[i].first; ++ending) {
            taken.erase(blocks[*ending].offset);
            alive -= blocks[*ending].bytes;
        }
        const auto [place, is_new] =
            taken.emplace(blocks[i].offset, blocks[i].offset + blocks[i].bytes);
        REQUIRE(is_new);
        REQUIRE(blocks[i].offset % alignment == 0);
        REQUIRE(place->second <= size);
        REQUIRE((std::next(place) == taken.end() || place->second <= std::next(place)->first));
        REQUIRE((place == taken.begin() || std::prev(place)->second <= place->first));
        alive += blocks[i].bytes;
        most_alive_at_once = std::max(most_alive_at_once, alive);
    }
    std::int64_t zeros = 0;  // each pattern's slots, at their largest
    for (const Block& block : blocks) {
        zeros = std::max(
            zeros, block.kept >= 0 && block.is_used ? block.offset + block.bytes : std::int64_t{0});
    }
    CHECK(size >= most_alive_at_once);
    CHECK(size < 2 * (most_alive_at_once + zeros));
}
