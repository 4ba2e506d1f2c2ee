#include <catch2/catch.hpp>

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "kernels/registry.h"
#include "kernels/testing.h"

using namespace sluice;
using namespace sluice::kernel_test;

namespace {

constexpr int group = 8;  // positions of a row that the kernel takes at once
constexpr std::uint32_t untouched = 0xdeadbeef;

/// Strides of the gate map in floats.
struct Map {
    int height, width, stride_x, stride_y;
};

// Open where `open`; the floats between the map's hold ones, which no list may name.
std::vector<float> make_gate(const Map& map, const std::vector<bool>& open, std::mt19937& rng) {
    const float closed[] = {0.0f, -0.0f};
    const float opened[] = {0.25f,
                            -3.0f,
                            std::numeric_limits<float>::denorm_min(),
                            std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN(),
                            -std::numeric_limits<float>::quiet_NaN()};
    std::vector<float> gate(std::size_t(map.height * map.stride_y), 1.0f);
    for (int i = 0; i < map.height * map.width; ++i) {
        gate[std::size_t(i / map.width * map.stride_y + i % map.width * map.stride_x)] =
            open[std::size_t(i)] ? opened[rng() % 6] : closed[rng() % 2];
    }
    return gate;
}

void check(const Kernel& kernel, const Map& map, const std::vector<bool>& open, std::mt19937& rng) {
    std::vector<std::uint32_t> expected_active, expected_skipped;
    for (int y = 0; y < map.height; ++y) {
        for (int x = 0; x < map.width; ++x) {
            const std::uint32_t position = std::uint32_t(y) << 16 | std::uint32_t(x);
            (open[std::size_t(y * map.width + x)] ? expected_active : expected_skipped)
                .push_back(position);
        }
    }
    const std::vector<std::int32_t> expected_counts = {int(expected_active.size()),
                                                       int(expected_skipped.size())};

    const std::vector<float> gate = make_gate(map, open, rng);
    const int capacity = map.height * map.width + group;
    const int groups = (map.width + group - 1) / group * map.height + 1;
    const std::size_t margin = 16;
    std::vector<std::uint32_t> active(std::size_t(capacity) + margin, untouched);
    std::vector<std::uint32_t> skipped(std::size_t(capacity) + margin, untouched);
    std::vector<std::int32_t> counts(2 + margin, -7), masks(2 * std::size_t(groups) + margin, -7);
    View g(gate.data(), {{map.width, map.stride_x}, {map.height, map.stride_y}});
    View a(active.data(), {{capacity, 1}}), s(skipped.data(), {{capacity, 1}});
    View c(counts.data(), {{2, 1}}), m(masks.data(), {{2, 1}, {groups, 2}});
    REQUIRE(call(kernel, PositionsCall<halide_buffer_t*>{
                             .gate = g, .active = a, .skipped = s, .counts = c, .groups = m}) == 0);

    CHECK(std::vector<std::int32_t>(counts.begin(), counts.begin() + 2) == expected_counts);
    CHECK(std::vector(active.begin(), active.begin() + std::ptrdiff_t(expected_active.size())) ==
          expected_active);
    CHECK(std::vector(skipped.begin(), skipped.begin() + std::ptrdiff_t(expected_skipped.size())) ==
          expected_skipped);
    for (std::size_t i = 0; i < margin; ++i) {
        CHECK(active[std::size_t(capacity) + i] == untouched);
        CHECK(skipped[std::size_t(capacity) + i] == untouched);
        CHECK(counts[2 + i] == -7);
        CHECK(masks[2 * std::size_t(groups) + i] == -7);
    }
}

// A negative density: one position alone.
std::vector<bool> draw_open(int size, double density, std::mt19937& rng) {
    std::uniform_real_distribution<double> draw(0, 1);
    std::vector<bool> open(std::size_t(size), false);
    if (density < 0) {
        open[rng() % std::size_t(size)] = true;
        return open;
    }
    for (std::size_t i = 0; i < open.size(); ++i) {
        open[i] = draw(rng) < density;
    }
    return open;
}

}  // namespace

TEST_CASE("positions kernels list open and closed gates in row-major order") {
    std::mt19937 rng(20261124);
    const int sizes[][2] = {{1, 1}, {7, 5}, {1, 40}, {40, 1}, {3, 16}, {13, 33}, {32, 32}};
    int calls = 0;
    for_each_kernel(Algorithm::positions, [&](const Kernel& kernel) {
        for (const auto& [height, width] : sizes) {
            for (double density : {0.0, -1.0, 0.1, 0.5, 1.0}) {
                for (const int stride_x : {1, kernel.lanes, 3}) {
                    const Map map{height, width, stride_x, width * stride_x + calls % 5};
                    ++calls;
                    INFO(kernel.name << ": " << width << "x" << height << ", density " << density
                                     << ", stride of x " << stride_x);
                    check(kernel, map, draw_open(height * width, density, rng), rng);
                }
            }
        }
    });
    CHECK(calls > 0);
}

TEST_CASE("positions kernels read a gate map that lies column by column") {
    std::mt19937 rng(3);
    for_each_kernel(Algorithm::positions, [&](const Kernel& kernel) {
        INFO(kernel.name);
        const int height = 9, width = 20;
        const std::vector<bool> open = draw_open(height * width, 0.4, rng);
        std::vector<float> gate(std::size_t(height * width));
        std::vector<std::uint32_t> expected;
        for (int i = 0; i < height * width; ++i) {
            const int x = i % width, y = i / width;
            gate[std::size_t(x * height + y)] = open[std::size_t(i)] ? 1.0f : 0.0f;
            if (open[std::size_t(i)]) {
                expected.push_back(std::uint32_t(y) << 16 | std::uint32_t(x));
            }
        }
        const int capacity = height * width + group;
        const int groups = (width + group - 1) / group * height + 1;
        std::vector<std::uint32_t> active(height * width + group), skipped(active);
        std::vector<std::int32_t> counts(2), masks(2 * std::size_t(groups));
        View g(gate.data(), {{width, height}, {height, 1}});
        View a(active.data(), {{capacity, 1}}), s(skipped.data(), {{capacity, 1}});
        View c(counts.data(), {{2, 1}}), m(masks.data(), {{2, 1}, {groups, 2}});
        REQUIRE(
            call(kernel, PositionsCall<halide_buffer_t*>{
                             .gate = g, .active = a, .skipped = s, .counts = c, .groups = m}) == 0);
        REQUIRE(counts[0] == int(expected.size()));
        active.resize(expected.size());
        CHECK(active == expected);
    });
}
