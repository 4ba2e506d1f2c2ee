#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "kernels/registry.h"
#include "kernels/testing.h"

using namespace sluice;
using namespace sluice::kernel_test;

namespace {

constexpr int mask_bits = 8;  // positions of a row that share a mask
constexpr std::size_t margin = 16;
constexpr std::uint32_t untouched_tile = 0xdeadbeef;
constexpr std::int32_t untouched_count = -7;

/// A gate map, row after row.
struct Map {
    int height, width;
    std::vector<bool> open;

    bool at(int y, int x) const { return open[std::size_t(y * width + x)]; }
    int count() const { return int(std::count(open.begin(), open.end(), true)); }
};

// A negative density: one position alone.
Map draw_map(int height, int width, double density, std::mt19937& rng) {
    std::uniform_real_distribution<double> draw(0, 1);
    Map map{height, width, std::vector<bool>(std::size_t(height * width), false)};
    if (density < 0) {
        map.open[rng() % map.open.size()] = true;
        return map;
    }
    for (std::size_t i = 0; i < map.open.size(); ++i) {
        map.open[i] = draw(rng) < density;
    }
    return map;
}

std::vector<std::uint32_t> expected_tiles(const Map& map, int side, bool open = true) {
    std::vector<std::uint32_t> tiles;
    for (int row = 0; row * side < map.height; ++row) {
        for (int column = 0; column * side < map.width; ++column) {
            const int y = std::min(row * side, map.height - side);
            const int x = std::min(column * side, map.width - side);
            bool is_open = false;
            for (int i = 0; i < side * side; ++i) {
                is_open = is_open || map.at(y + i / side, x + i % side);
            }
            if (is_open == open) {
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
    std::vector<std::uint32_t> tiles, closed;
    bool pays;
};

/// Calls the kernel with the least capacity that it asks for.
Written run(const Kernel& kernel, const Map& map, std::int32_t side, float break_even) {
    const std::vector<std::int32_t> groups = make_groups(map);
    const std::int32_t open[] = {map.count()};
    const int all = (map.width + side - 1) / side * ((map.height + side - 1) / side);
    const std::size_t capacity = std::size_t(all) + 1;
    std::vector<std::uint32_t> list(capacity + margin, untouched_tile), closed = list;
    std::vector<std::int32_t> before(capacity + margin, untouched_count);
    std::vector<std::int32_t> counts(3 + margin, untouched_count);
    View g(groups.data(), {{2, 1}, {int(groups.size() / 2), 2}}), o(open, {{1, 1}});
    View l(list.data(), {{int(capacity), 1}}), s(closed.data(), {{int(capacity), 1}});
    View b(before.data(), {{int(capacity), 1}}), c(counts.data(), {{3, 1}});
    REQUIRE(call(kernel, TilesCall<halide_buffer_t*>{.groups = g,
                                                     .open = o,
                                                     .side = side,
                                                     .width = map.width,
                                                     .height = map.height,
                                                     .break_even = break_even,
                                                     .list = l,
                                                     .closed = s,
                                                     .counts = c,
                                                     .before = b}) == 0);
    for (std::size_t i = 0; i < margin; ++i) {
        CHECK(list[capacity + i] == untouched_tile);
        CHECK(closed[capacity + i] == untouched_tile);
        CHECK(before[capacity + i] == untouched_count);
        CHECK(counts[3 + i] == untouched_count);
    }
    REQUIRE(counts[0] >= 0);
    REQUIRE(counts[0] <= all);
    CHECK((counts[1] == 0 || counts[1] == 1));
    CHECK(counts[2] == all - counts[0]);
    list.resize(std::size_t(counts[0]));
    closed.resize(std::size_t(all - counts[0]));
    return {list, closed, counts[1] == 1};
}

void check_lists(const Written& got, const Map& map, int side) {
    CHECK(got.tiles == expected_tiles(map, side));
    CHECK(got.closed == expected_tiles(map, side, false));
}

}  // namespace

TEST_CASE("tiles kernels list open and closed tiles in row-major order") {
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
                    check_lists(run(kernel, map, side, 8), map, side);
                }
            }
        }
    });
}

// So that no bit of a mask, and no group's border, is missed by chance.
TEST_CASE("tiles kernels find a gate that is open alone, wherever it is") {
    for_each_kernel(Algorithm::tiles, [&](const Kernel& kernel) {
        for (const auto& [height, width] : {std::pair{4, 4}, {6, 21}, {5, 16}, {9, 11}}) {
            Map map{height, width, std::vector<bool>(std::size_t(height * width), false)};
            for (std::size_t i = 0; i < map.open.size(); ++i) {
                INFO(kernel.name << ": position " << i << " of " << width << "x" << height);
                map.open[i] = true;
                for (const int side : {2, 4}) {
                    check_lists(run(kernel, map, side, 8), map, side);
                }
                map.open[i] = false;
            }
        }
    });
}

TEST_CASE("Winograd pays where more positions a tile are open than the break-even") {
    std::mt19937 rng(3);
    for_each_kernel(Algorithm::tiles, [&](const Kernel& kernel) {
        for (double density : {-1.0, 0.1, 0.3, 0.5, 1.0}) {
            const Map map = draw_map(9, 14, density, rng);
            const int tiles = int(expected_tiles(map, 4).size());
            INFO(kernel.name << ": " << map.count() << " open in " << tiles << " tiles");
            for (float break_even : {0.5f, 1.0f, 4.8f, 6.25f, 8.0f, 16.0f}) {
                INFO("break-even " << break_even);
                CHECK(run(kernel, map, 4, break_even).pays ==
                      (float(map.count()) > break_even * float(tiles)));
            }
        }
        // Two tiles of 3 and 7 open positions: 5 a tile, in floats too.
        Map map{4, 8, std::vector<bool>(32, false)};
        for (int i : {0, 9, 27, 4, 5, 6, 7, 12, 13, 31}) {
            map.open[std::size_t(i)] = true;
        }
        REQUIRE(expected_tiles(map, 4).size() == 2);
        const float infinity = std::numeric_limits<float>::infinity();
        CHECK(run(kernel, map, 4, std::nextafter(5.0f, 0.0f)).pays);
        CHECK(!run(kernel, map, 4, 5).pays);
        CHECK(!run(kernel, map, 4, std::nextafter(5.0f, infinity)).pays);
        // Where nothing is open, there is nothing that pays.
        CHECK(!run(kernel, draw_map(4, 8, 0, rng), 4, 0).pays);
    });
}
