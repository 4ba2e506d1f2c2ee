#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/memory.h"

using namespace sluice;
using namespace sluice::kernel_test;

namespace {

struct Case {
    int channels, height, width, side;
    double density;  ///< of the squares that are listed; negative: one alone
    bool has_residual;
};

struct Numbers {
    std::vector<float> shift;
    float residual_zero, residual_scale, low, high;
    int zero;
};

// In doubles, each step rounded to a float: no two of them become one operation.
std::uint8_t filled(const Numbers& n, float shift, int residual, bool has_residual) {
    float t = shift;
    if (has_residual) {
        const float scaled =
            float(double(float(residual) - n.residual_zero) * double(n.residual_scale));
        t = float(double(shift) + double(scaled));
    }
    const double clamped = std::min(std::max(double(t), double(n.low)), double(n.high));
    const double below = std::floor(clamped), rest = clamped - below;
    const bool up = rest > 0.5 || (rest == 0.5 && std::fmod(below, 2) != 0);
    return std::uint8_t(int(up ? below + 1 : below) + n.zero);
}

Numbers draw_numbers(int channels, bool halves, std::mt19937& rng) {
    Numbers n;
    n.shift = random_values(rng, std::size_t(channels), -150, 150);
    n.zero = int(rng() % 256);
    n.residual_zero = float(rng() % 256);
    n.residual_scale = halves ? 0.5f : random_values(rng, 1, 0.2f, 1)[0];
    for (float& shift : n.shift) {
        shift = halves ? std::round(shift) + 0.5f : shift;
    }
    n.low = float(rng() % 2 ? 0 : -n.zero);
    n.high = float(255 - n.zero);
    return n;
}

void check(const Kernel& kernel, const Case& c, bool halves, std::mt19937& rng) {
    const int stride = round_up(c.channels, kernel.lanes), size = c.height * c.width;
    Numbers n = draw_numbers(stride, halves, rng);
    if (!c.has_residual) {
        n.residual_zero = 0;
    }
    std::vector<std::uint8_t> residual(std::size_t(c.has_residual ? size * stride : stride), 0);
    for (std::uint8_t& value : residual) {
        value = std::uint8_t(c.has_residual ? rng() % 256 : 0);
    }
    std::vector<float> rows(2 * std::size_t(stride), 12345);
    std::copy(n.shift.begin(), n.shift.end(), rows.begin() + stride);
    constexpr std::uint8_t before = 0xa5;
    std::vector<std::uint8_t> got(std::size_t(size * stride) + 64, before), want = got;

    std::vector<std::uint32_t> list;
    const int across = (c.width + c.side - 1) / c.side, down = (c.height + c.side - 1) / c.side;
    std::uniform_real_distribution<double> draw(0, 1);
    const int only = int(rng() % std::size_t(across * down));
    for (int i = 0; i < across * down; ++i) {
        if (c.density < 0 ? i != only : draw(rng) >= c.density) {
            continue;
        }
        list.push_back(std::uint32_t(i / across) << 16 | std::uint32_t(i % across));
        for (int at = 0; at < c.side * c.side; ++at) {
            const int x = i % across * c.side + at % c.side, y = i / across * c.side + at / c.side;
            for (int k = 0; x < c.width && y < c.height && k < stride; ++k) {
                const std::size_t to = std::size_t((y * c.width + x) * stride + k);
                want[to] = filled(n, n.shift[std::size_t(k)], c.has_residual ? residual[to] : 0,
                                  c.has_residual);
            }
        }
    }

    const int x = c.has_residual ? stride : 0;
    View positions(list.data(), {{int(list.size()), 1}});
    View e(rows.data(), {{stride, 1}, {2, stride}});
    View r(residual.data(), {{stride, 1}, {c.width, x}, {c.height, c.width * x}});
    View out(got.data(), {{stride, 1}, {c.width, stride}, {c.height, c.width * stride}});
    REQUIRE(call(kernel, Int8FillCall<halide_buffer_t*>{.positions = positions,
                                                        .epilogue = e,
                                                        .residual = r,
                                                        .side = c.side,
                                                        .residual_zero = n.residual_zero,
                                                        .residual_scale = n.residual_scale,
                                                        .low = n.low,
                                                        .high = n.high,
                                                        .zero = n.zero,
                                                        .output = out}) == 0);
    CHECK(got == want);
}

}  // namespace

TEST_CASE("int8 fill kernels write shift and residual, rounded, on the listed squares alone") {
    std::mt19937 rng(20261130);
    for_each_kernel(Algorithm::int8_fill, [&](const Kernel& kernel) {
        for (int channels : {1, 3, 15, 16, 17, 64, 100, 128}) {
            for (const auto& [height, width] : {std::pair{1, 1}, {7, 5}, {21, 32}}) {
                for (double density : {0.0, -1.0, 0.5, 1.0}) {
                    for (const int side : {1, 2, 4}) {
                        for (const bool has_residual : {false, true}) {
                            INFO(kernel.name << ": channels " << channels << ", " << width << "x"
                                             << height << ", density " << density << ", side "
                                             << side << ", residual " << has_residual);
                            check(kernel, {channels, height, width, side, density, has_residual},
                                  rng() % 2, rng);
                        }
                    }
                }
            }
        }
    });
}
