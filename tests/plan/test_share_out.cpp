#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <vector>

#include "plan/conv/panels.h"
#include "plan/conv/winograd_weights.h"
#include "plan/share_out.h"

using namespace sluice;

TEST_CASE("every part is done once, whatever the number of threads") {
    for (const int threads : {1, 2, 5, 16}) {
        for (const std::int64_t parts : {0, 1, 2, 3, 16, 1000}) {
            INFO(threads << " threads, " << parts << " parts");
            std::vector<std::atomic<int>> times(std::size_t(parts) + 1);
            share_out(parts, threads, [&](std::int64_t part) { ++times[std::size_t(part)]; });
            CHECK(std::all_of(times.begin(), times.end() - 1,
                              [](const std::atomic<int>& n) { return n == 1; }));
            CHECK(times.back() == 0);
        }
    }
}

TEST_CASE("threads are started for much to write alone") {
    CHECK(threads_for(0) == 1);
    CHECK(threads_for(1 << 20) == 1);
    CHECK(threads_for(std::size_t{1} << 40) >= 1);
    CHECK(threads_for(std::size_t{1} << 40) <= 16);
}

TEST_CASE("weights transformed by many threads are bit for bit those of one") {
    std::mt19937 rng(20261129);
    std::uniform_real_distribution<float> draw(-1, 1);
    constexpr std::int64_t channels = 37, there = 250, channel_stride = 48, outputs = 256,
                           lanes = 8;
    std::vector<float> weights(std::size_t(there * channels * 9));
    std::generate(weights.begin(), weights.end(), [&] { return draw(rng); });
    const WindowWeights window{weights.data(), there, channels};
    const WinogradLayout layout{4, channel_stride, outputs, lanes};
    const auto size = std::size_t(outputs * channel_stride * winograd_points(4, 3));
    std::vector<float> serial(size, 1), shared(size, 2);
    transform_weights(window, layout, serial.data());
    share_out(packed_parts(outputs), 5,
              [&](std::int64_t part) { transform_part(window, layout, part, shared.data()); });
    CHECK(std::memcmp(serial.data(), shared.data(), size * sizeof(float)) == 0);
}
