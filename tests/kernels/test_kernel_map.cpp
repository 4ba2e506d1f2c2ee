#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "kernels/registry.h"
#include "kernels/testing.h"

using namespace sluice;
using namespace sluice::kernel_test;

namespace {

constexpr int mask_bits = 8;  // positions of a row that share a mask
constexpr int taps = 9;
constexpr std::size_t margin = 16;
constexpr std::uint32_t untouched_pair = 0xdeadbeef;
constexpr std::int32_t untouched_count = -7;

/// A gate map, row after row; closed outside.
struct Map {
    int height, width;
    std::vector<bool> open;

    bool at(int y, int x) const {
        return y >= 0 && y < height && x >= 0 && x < width && open[std::size_t(y * width + x)];
    }
    std::int32_t count() const { return std::int32_t(std::count(open.begin(), open.end(), true)); }
};

Map draw_map(int height, int width, double density, std::mt19937& rng) {
    std::bernoulli_distribution draw(density);
    Map map{height, width, std::vector<bool>(std::size_t(height * width))};
    std::generate(map.open.begin(), map.open.end(), [&] { return draw(rng); });
    return map;
}

/// (2, group) as generators/positions.cpp states it; the counts before a group are not read.
std::vector<std::int32_t> make_groups(const Map& map) {
    std::vector<std::int32_t> groups;
    for (int y = 0; y < map.height; ++y) {
        for (int from = 0; from < map.width; from += mask_bits) {
            std::int32_t mask = 0;
            for (int x = from; x < std::min(from + mask_bits, map.width); ++x) {
                mask |= std::int32_t(map.at(y, x)) << (x - from);
            }
            groups.insert(groups.end(), {untouched_count, mask});
        }
    }
    // The mask after the last group is undefined.
    groups.insert(groups.end(), {untouched_count, -1});
    return groups;
}

using Pairs = std::array<std::vector<std::uint32_t>, taps>;

Pairs expected_pairs(const Map& from, const Map& to, int row) {
    Pairs pairs;
    for (int tap = 0; tap < taps; ++tap) {
        for (int y = 0; y < to.height; ++y) {
            for (int x = 0; x < to.width; ++x) {
                if (to.at(y, x) && from.at(y + tap / 3 - 1, x + tap % 3 - 1)) {
                    pairs[std::size_t(tap)].push_back(std::uint32_t(y * row + x));
                }
            }
        }
    }
    return pairs;
}

std::int32_t count(const Pairs& pairs) {
    std::size_t sum = 0;
    for (const auto& of_tap : pairs) {
        sum += of_tap.size();
    }
    return std::int32_t(sum);
}

/// What a call is told of times, in that of a position.
struct Times {
    float pair = 0, tile = 0;
    std::int32_t tiles = 0;
    bool winograd_pays = false;
};

struct Written {
    Pairs pairs;  ///< with what follows them, `pixels` a tap
    std::int32_t total = 0;
    bool sparse = false, winograd = false, direct = false;
};

/// Calls the kernel with the least capacity that it asks for.
Written run(const Kernel& kernel, const Map& from, const Map& to, int row, int pixels,
            const Times& times) {
    const int width = to.width, height = to.height, per_row = (width + mask_bits - 1) / mask_bits;
    const int capacity = width * height + std::max(pixels, mask_bits);
    const int groups = per_row * height + 1;
    const std::vector<std::int32_t> from_groups = make_groups(from), to_groups = make_groups(to);
    const std::int32_t from_open[] = {from.count()}, to_open[] = {to.count()};
    const std::int32_t tiles[] = {times.tiles, times.winograd_pays};
    std::vector<std::uint32_t> list(std::size_t(taps * capacity) + margin, untouched_pair);
    std::vector<std::int32_t> counts(taps + 4 + margin, untouched_count);
    std::vector<std::int32_t> around(std::size_t(per_row * (height + 2)) + margin, untouched_count);
    std::vector<std::int32_t> before(std::size_t(taps * groups) + margin, untouched_count);
    View f(from_groups.data(), {{2, 1}, {groups, 2}}), t(to_groups.data(), {{2, 1}, {groups, 2}});
    View fo(from_open, {{1, 1}}), to_view(to_open, {{1, 1}}), ti(tiles, {{2, 1}});
    View l(list.data(), {{capacity, 1}, {taps, capacity}}), c(counts.data(), {{taps + 4, 1}});
    View a(around.data(), {{per_row, 1}, {height + 2, per_row}});
    View b(before.data(), {{taps, 1}, {groups, taps}});
    REQUIRE(call(kernel, KernelMapCall<halide_buffer_t*>{.from = f,
                                                         .to = t,
                                                         .from_open = fo,
                                                         .to_open = to_view,
                                                         .tiles = ti,
                                                         .width = width,
                                                         .height = height,
                                                         .row = row,
                                                         .pixels = pixels,
                                                         .pair_time = times.pair,
                                                         .tile_time = times.tile,
                                                         .pairs = l,
                                                         .counts = c,
                                                         .around = a,
                                                         .before = b}) == 0);
    for (std::size_t i = 0; i < margin; ++i) {
        CHECK(list[list.size() - 1 - i] == untouched_pair);
        CHECK(counts[counts.size() - 1 - i] == untouched_count);
        CHECK(around[around.size() - 1 - i] == untouched_count);
        CHECK(before[before.size() - 1 - i] == untouched_count);
    }
    Written written{
        {}, counts[taps], counts[taps + 1] == 1, counts[taps + 2] == 1, counts[taps + 3] == 1};
    REQUIRE(counts[taps + 1] + counts[taps + 2] + counts[taps + 3] == 1);
    for (int tap = 0; written.sparse && tap < taps; ++tap) {
        const std::int32_t length = counts[std::size_t(tap)];
        REQUIRE(length >= 0);
        REQUIRE(length <= width * height);
        const auto begin = list.begin() + tap * capacity;
        written.pairs[std::size_t(tap)].assign(begin, begin + length + pixels);
    }
    return written;
}

void check_pairs(const Kernel& kernel, const Map& from, const Map& to, int row, int pixels) {
    const Written got = run(kernel, from, to, row, pixels, {});
    Pairs want = expected_pairs(from, to, row);
    REQUIRE(got.sparse);
    CHECK(got.total == count(want));
    for (auto& of_tap : want) {
        of_tap.insert(of_tap.end(), std::size_t(pixels), std::uint32_t(to.width));
    }
    CHECK(got.pairs == want);
}

}  // namespace

TEST_CASE("kernel_map kernels list the pairs of open inputs and outputs of each tap") {
    std::mt19937 rng(20261126);
    std::vector<std::pair<int, int>> sizes = {{33, 40}, {40, 33}, {32, 32}, {8, 8}, {2, 2}};
    for (int width = 2; width < 26; ++width) {
        sizes.emplace_back(2 + width % 5, width);
    }
    for_each_kernel(Algorithm::kernel_map, [&](const Kernel& kernel) {
        for (const auto& [height, width] : sizes) {
            for (const double density : {0.02, 0.1, 0.5, 0.9, 1.0}) {
                // One output at least, since without one no way takes less time than another.
                Map from = draw_map(height, width, density, rng);
                Map to = draw_map(height, width, rng() % 2 ? density : 1 - density / 2, rng);
                to.open[rng() % to.open.size()] = true;
                const int row = width + 2 + int(rng() % 3), pixels = 1 + int(rng() % 12);
                INFO(kernel.name << ": " << width << "x" << height << ", density " << density);
                check_pairs(kernel, from, to, row, pixels);
            }
        }
    });
}

// So that no bit of a mask, and no border of a group or of the map, is missed by chance.
TEST_CASE("kernel_map kernels pair an input that is open alone with its neighbours") {
    for_each_kernel(Algorithm::kernel_map, [&](const Kernel& kernel) {
        for (const auto& [height, width] : {std::pair{2, 3}, {3, 21}, {4, 16}, {5, 9}}) {
            const std::size_t size = std::size_t(height * width);
            const Map all{height, width, std::vector<bool>(size, true)};
            Map one{height, width, std::vector<bool>(size, false)};
            for (std::size_t i = 0; i < size; ++i) {
                INFO(kernel.name << ": position " << i << " of " << width << "x" << height);
                one.open[i] = true;
                check_pairs(kernel, one, all, width + 2, 6);
                check_pairs(kernel, all, one, width + 2, 6);
                one.open[i] = false;
            }
        }
    });
}

TEST_CASE("the way of a layer that takes the least time is chosen") {
    std::mt19937 rng(7);
    const Map from = draw_map(11, 13, 0.4, rng), to = draw_map(11, 13, 0.5, rng);
    const float pairs = float(count(expected_pairs(from, to, 15))), positions = float(to.count());
    REQUIRE(pairs > 0);
    const auto is = [](const Written& w, bool sparse, bool winograd, bool direct) {
        return w.sparse == sparse && w.winograd == winograd && w.direct == direct;
    };
    for_each_kernel(Algorithm::kernel_map, [&](const Kernel& kernel) {
        INFO(kernel.name);
        const auto choose = [&](const Times& times) { return run(kernel, from, to, 15, 6, times); };
        const float even = positions / pairs;
        CHECK(is(choose({even * 0.99f, 1, 12, false}), true, false, false));
        CHECK(is(choose({even * 1.01f, 1, 12, false}), false, false, true));
        CHECK(is(choose({even * 100, 1, 12, false}), false, false, true));
        // Against Winograd, where it takes less than the direct kernel.
        const float tile = positions / 2 / 12;
        CHECK(is(choose({even * 0.49f, tile, 12, true}), true, false, false));
        CHECK(is(choose({even * 0.51f, tile, 12, true}), false, true, false));
        CHECK(is(choose({even * 100, tile, 12, true}), false, true, false));
        CHECK(choose({even * 0.99f, 1, 12, false}).total == std::int32_t(pairs));
        // Without an input that is open there are no pairs, and still outputs to compute.
        const Map none = draw_map(11, 13, 0, rng);
        CHECK(run(kernel, none, to, 15, 6, {even, tile, 12, true}).sparse);
        CHECK(run(kernel, none, to, 15, 6, {even, tile, 12, true}).total == 0);
    });
}
