#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "kernels/list_layout.h"
#include "kernels/registry.h"
#include "kernels/testing.h"

using namespace sluice;
using namespace sluice::kernel_test;

namespace {

constexpr std::size_t margin = 16;
constexpr std::uint32_t untouched_tile = 0xdeadbeef;
constexpr std::int32_t untouched_count = -7;

/// A gate map, row after row.
struct Map {
    int height, width;
    std::vector<bool> active;

    bool at(int y, int x) const { return active[std::size_t(y * width + x)]; }
};

// A negative density: one position alone.
Map draw_map(int height, int width, double density, std::mt19937& rng) {
    std::uniform_real_distribution<double> draw(0, 1);
    Map map{height, width, std::vector<bool>(std::size_t(height * width), false)};
    if (density < 0) {
        map.active[rng() % map.active.size()] = true;
        return map;
    }
    for (std::size_t i = 0; i < map.active.size(); ++i) {
        map.active[i] = draw(rng) < density;
    }
    return map;
}

std::vector<std::uint32_t> expected_tiles(const Map& map, int side, bool active = true) {
    std::vector<std::uint32_t> tiles;
    for (int row = 0; row * side < map.height; ++row) {
        for (int column = 0; column * side < map.width; ++column) {
            const int y = std::min(row * side, map.height - side);
            const int x = std::min(column * side, map.width - side);
            bool is_active = false;
            for (int i = 0; i < side * side; ++i) {
                is_active = is_active || map.at(y + i / side, x + i % side);
            }
            if (is_active == active) {
                tiles.push_back(std::uint32_t(row) << 16 | std::uint32_t(column));
            }
        }
    }
    return tiles;
}

/// (2, group) as generators/positions.cpp states it, and as many groups as it asks for.
std::vector<std::int32_t> make_groups(const Map& map) {
    std::vector<std::int32_t> groups;
    std::int32_t before = 0;
    for (int y = 0; y < map.height; ++y) {
        for (int from = 0; from < map.width; from += mask_bits) {
            std::int32_t mask = 0, count = 0;
            for (int x = from; x < std::min(from + mask_bits, map.width); ++x) {
                mask |= std::int32_t(map.at(y, x)) << (x - from);
                count += map.at(y, x);
            }
            groups.insert(groups.end(), {before, mask});
            before += count;
        }
    }
    // The mask after the last group is undefined.
    groups.insert(groups.end(), {before, -1});
    return groups;
}

struct Written {
    std::vector<std::uint32_t> active, skipped;
};

/// Calls the kernel with the least capacity that it asks for.
Written run(const Kernel& kernel, const Map& map, std::int32_t side) {
    const std::vector<std::int32_t> groups = make_groups(map);
    const int all = (map.width + side - 1) / side * ((map.height + side - 1) / side);
    const std::size_t capacity = std::size_t(all) + 1;
    std::vector<std::uint32_t> active(capacity + margin, untouched_tile), skipped = active;
    std::vector<std::int32_t> before(capacity + margin, untouched_count);
    std::vector<std::int32_t> counts(2 + margin, untouched_count);
    View g(groups.data(), {{2, 1}, {int(groups.size() / 2), 2}});
    View l(active.data(), {{int(capacity), 1}}), s(skipped.data(), {{int(capacity), 1}});
    View b(before.data(), {{int(capacity), 1}}), c(counts.data(), {{2, 1}});
    REQUIRE(call(kernel, TilesCall<halide_buffer_t*>{.masks = g,
                                                     .side = side,
                                                     .width = map.width,
                                                     .height = map.height,
                                                     .active = l,
                                                     .skipped = s,
                                                     .counts = c,
                                                     .before = b}) == 0);
    for (std::size_t i = 0; i < margin; ++i) {
        CHECK(active[capacity + i] == untouched_tile);
        CHECK(skipped[capacity + i] == untouched_tile);
        CHECK(before[capacity + i] == untouched_count);
        CHECK(counts[2 + i] == untouched_count);
    }
    REQUIRE(counts[0] >= 0);
    REQUIRE(counts[0] <= all);
    CHECK(counts[1] == all - counts[0]);
    active.resize(std::size_t(counts[0]));
    skipped.resize(std::size_t(all - counts[0]));
    return {active, skipped};
}

void check_lists(const Written& got, const Map& map, int side) {
    CHECK(got.active == expected_tiles(map, side));
    CHECK(got.skipped == expected_tiles(map, side, false));
}

}  // namespace

TEST_CASE("tiles kernels list active and skipped tiles in row-major order") {
    std::mt19937 rng(20261124);
    std::vector<std::pair<int, int>> sizes = {{33, 40}, {40, 33}, {32, 32}, {14, 14}};
    for (int width = 4; width < 20; ++width) {
        sizes.emplace_back(4 + width % 7, width);
    }
    for_each_kernel(Algorithm::tiles, [&](const Kernel& kernel) {
        for (const auto& [height, width] : sizes) {
            for (double density : {0.0, -1.0, -1.0, -1.0, 0.02, 0.1, 0.5, 1.0}) {
                INFO(kernel.name << ": " << width << "x" << height << ", density " << density);
                const Map map = draw_map(height, width, density, rng);
                for (const int side : {2, 4}) {
                    check_lists(run(kernel, map, side), map, side);
                }
            }
        }
    });
}

// So that no bit of a mask, and no group's border, is missed by chance.
TEST_CASE("tiles kernels find a gate that is active alone, wherever it is") {
    for_each_kernel(Algorithm::tiles, [&](const Kernel& kernel) {
        for (const auto& [height, width] : {std::pair{4, 4}, {6, 21}, {5, 16}, {9, 11}}) {
            Map map{height, width, std::vector<bool>(std::size_t(height * width), false)};
            for (std::size_t i = 0; i < map.active.size(); ++i) {
                INFO(kernel.name << ": position " << i << " of " << width << "x" << height);
                map.active[i] = true;
                for (const int side : {2, 4}) {
                    check_lists(run(kernel, map, side), map, side);
                }
                map.active[i] = false;
            }
        }
    });
}
