#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/list_layout.h"
#include "kernels/registry.h"
#include "kernels/testing.h"

using namespace sluice;
using namespace sluice::kernel_test;

namespace {

constexpr int taps = pair_taps;
constexpr std::size_t margin = 16;
constexpr std::uint32_t untouched_pair = 0xdeadbeef;
constexpr std::int32_t untouched_count = -7;

/// A gate map, row after row; skipped outside.
struct Map {
    int height, width;
    std::vector<bool> active;

    bool at(int y, int x) const {
        return y >= 0 && y < height && x >= 0 && x < width && active[std::size_t(y * width + x)];
    }
    std::int32_t count() const {
        return std::int32_t(std::count(active.begin(), active.end(), true));
    }
};

Map draw_map(int height, int width, double density, std::mt19937& rng) {
    std::bernoulli_distribution draw(density);
    Map map{height, width, std::vector<bool>(std::size_t(height * width))};
    std::generate(map.active.begin(), map.active.end(), [&] { return draw(rng); });
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

/// What pair_count is told of the layer's ways: of a pair, a position, and a unit of the second.
struct Costs {
    float pair = 0, first = 1, second = 1;
    std::int32_t second_count = std::numeric_limits<std::int32_t>::max();
};

/// What both kernels write.
struct Written {
    Pairs pairs;  ///< with what follows them, `pixels` per tap; empty where nothing is counted
    std::int32_t total = 0;
};

/// Memory of the least capacity that the kernels ask for, and what must stay as it is behind it.
template <typename T>
struct Guarded {
    std::vector<T> values;
    T untouched;

    Guarded(std::size_t size, T untouched_)
        : values(size + margin, untouched_), untouched(untouched_) {}
    void check() const {
        for (std::size_t i = 0; i < margin; ++i) {
            CHECK(values[values.size() - 1 - i] == untouched);
        }
    }
};

/// The kernel_map of the same target as a pair_count.
const Kernel& map_kernel(const Kernel& counter) {
    for (const Kernel& kernel : kernels()) {
        if (kernel.algorithm == Algorithm::kernel_map &&
            std::string(kernel.target) == counter.target) {
            return kernel;
        }
    }
    FAIL("no kernel_map for " << counter.target);
    return counter;
}

Written run(const Kernel& counter, const Map& from, const Map& to, int row, int pixels,
            const Costs& costs) {
    const int width = to.width, height = to.height, per_row = (width + mask_bits - 1) / mask_bits;
    const int capacity = width * height + std::max(pixels, mask_bits);
    const int groups = per_row * height + 1;
    const std::vector<std::int32_t> from_groups = make_groups(from), to_groups = make_groups(to);
    const std::int32_t from_count[] = {from.count()}, to_count[] = {to.count()};
    Guarded<std::uint32_t> list(std::size_t(taps * capacity), untouched_pair);
    Guarded<std::int32_t> counts(taps + 1, untouched_count);
    Guarded<std::int32_t> around(std::size_t(per_row * (height + 2)), untouched_count);
    Guarded<std::int32_t> before(std::size_t(taps * groups), untouched_count);
    View f(from_groups.data(), {{2, 1}, {groups, 2}}), t(to_groups.data(), {{2, 1}, {groups, 2}});
    View from_view(from_count, {{1, 1}}), to_view(to_count, {{1, 1}});
    View second(&costs.second_count, {{1, 1}});
    View l(list.values.data(), {{capacity, 1}, {taps, capacity}});
    View c(counts.values.data(), {{taps + 1, 1}});
    View a(around.values.data(), {{per_row, 1}, {height + 2, per_row}});
    View b(before.values.data(), {{taps, 1}, {groups, taps}});
    REQUIRE(call(counter, PairCountCall<halide_buffer_t*>{.from = f,
                                                          .to = t,
                                                          .from_count = from_view,
                                                          .to_count = to_view,
                                                          .width = width,
                                                          .height = height,
                                                          .pair_cost = costs.pair,
                                                          .first_cost = costs.first,
                                                          .second_count = second,
                                                          .second_cost = costs.second,
                                                          .counts = c,
                                                          .around = a,
                                                          .before = b}) == 0);
    Written written{{}, counts.values[taps]};
    if (written.total < std::numeric_limits<std::int32_t>::max()) {
        REQUIRE(call(map_kernel(counter), KernelMapCall<halide_buffer_t*>{.to = t,
                                                                          .counts = c,
                                                                          .around = a,
                                                                          .before = b,
                                                                          .width = width,
                                                                          .height = height,
                                                                          .row = row,
                                                                          .pixels = pixels,
                                                                          .pairs = l}) == 0);
        for (int tap = 0; tap < taps; ++tap) {
            const std::int32_t length = counts.values[std::size_t(tap)];
            REQUIRE(length >= 0);
            REQUIRE(length <= width * height);
            const auto begin = list.values.begin() + tap * capacity;
            written.pairs[std::size_t(tap)].assign(begin, begin + length + pixels);
        }
    }
    list.check();
    counts.check();
    around.check();
    before.check();
    return written;
}

void check_pairs(const Kernel& kernel, const Map& from, const Map& to, int row, int pixels) {
    const Written got = run(kernel, from, to, row, pixels, {});
    Pairs want = expected_pairs(from, to, row);
    CHECK(got.total == count(want));
    for (auto& of_tap : want) {
        of_tap.insert(of_tap.end(), std::size_t(pixels), std::uint32_t(to.width));
    }
    CHECK(got.pairs == want);
}

}  // namespace

TEST_CASE("pair_count and kernel_map list the pairs of active inputs and outputs of each tap") {
    std::mt19937 rng(20261126);
    std::vector<std::pair<int, int>> sizes = {{33, 40}, {40, 33}, {32, 32}, {8, 8}, {2, 2}};
    for (int width = 2; width < 26; ++width) {
        sizes.emplace_back(2 + width % 5, width);
    }
    for_each_kernel(Algorithm::pair_count, [&](const Kernel& kernel) {
        for (const auto& [height, width] : sizes) {
            for (const double density : {0.02, 0.1, 0.5, 0.9, 1.0}) {
                // One output at least, since without one no way takes less time than another.
                Map from = draw_map(height, width, density, rng);
                Map to = draw_map(height, width, rng() % 2 ? density : 1 - density / 2, rng);
                to.active[rng() % to.active.size()] = true;
                const int row = width + 2 + int(rng() % 3), pixels = 1 + int(rng() % 12);
                INFO(kernel.name << ": " << width << "x" << height << ", density " << density);
                check_pairs(kernel, from, to, row, pixels);
            }
        }
    });
}

// So that no bit of a mask, and no border of a group or of the map, is missed by chance.
TEST_CASE("pair_count and kernel_map pair an input that is active alone with its neighbours") {
    for_each_kernel(Algorithm::pair_count, [&](const Kernel& kernel) {
        for (const auto& [height, width] : {std::pair{2, 3}, {3, 21}, {4, 16}, {5, 9}}) {
            const std::size_t size = std::size_t(height * width);
            const Map all{height, width, std::vector<bool>(size, true)};
            Map one{height, width, std::vector<bool>(size, false)};
            for (std::size_t i = 0; i < size; ++i) {
                INFO(kernel.name << ": position " << i << " of " << width << "x" << height);
                one.active[i] = true;
                check_pairs(kernel, one, all, width + 2, 6);
                check_pairs(kernel, all, one, width + 2, 6);
                one.active[i] = false;
            }
        }
    });
}

// By chance 9 * from * to / positions of the map are pairs: they are counted where two thirds of
// that cost less than the cheapest other way.
TEST_CASE("pair_count kernels count where pairs may cost less than the other ways") {
    std::mt19937 rng(7);
    const Map from = draw_map(11, 13, 0.4, rng), to = draw_map(11, 13, 0.5, rng);
    const float by_chance = 9.0F * float(from.count()) * float(to.count()) / (11 * 13);
    const float positions = float(to.count()), most = 1.5F * positions / by_chance;
    const std::int32_t pairs = count(expected_pairs(from, to, 15));
    constexpr std::int32_t not_counted = std::numeric_limits<std::int32_t>::max();
    for_each_kernel(Algorithm::pair_count, [&](const Kernel& kernel) {
        INFO(kernel.name);
        const auto total = [&](const Costs& costs) {
            return run(kernel, from, to, 15, 6, costs).total;
        };
        CHECK(total({most * 0.99F, 1, 1, not_counted}) == pairs);
        CHECK(total({most * 1.01F, 1, 1, not_counted}) == not_counted);
        CHECK(total({most * 1.01F, 1.1F, 1, not_counted}) == pairs);
        // Against a second way that costs half as much.
        const float tile = positions / 2 / 12;
        CHECK(total({most * 0.49F, 1, tile, 12}) == pairs);
        CHECK(total({most * 0.51F, 1, tile, 12}) == not_counted);
        // Without an active input there are no pairs, and still outputs to compute.
        const Map none = draw_map(11, 13, 0, rng);
        CHECK(run(kernel, none, to, 15, 6, {most, 1, tile, 12}).total == 0);
    });
}
