#include <catch2/catch.hpp>

#include <array>
#include <cstring>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "kernels/memory.h"
#include "kernels/quantised.h"

using namespace sluice;
using namespace sluice::kernel_test;

namespace {

using Bytes = StridedOf<std::uint8_t>;

/// NHWC in memory where `is_dense`, else NCHW, for (c, x, y).
Extents image_extents(int channels, int width, int height, bool is_dense) {
    if (is_dense) {
        return {{channels, 1}, {width, channels}, {height, channels * width}, {1, 1}};
    }
    return {{channels, width * height}, {width, 1}, {height, width}, {1, 1}};
}

bool same_byte(std::uint8_t got, std::uint8_t want) { return got == want; }

/// Values around every stored integer, ties among them, and what no integer is near.
float value_near(std::mt19937& rng, float scale) {
    using Limits = std::numeric_limits<float>;
    const float odd[] = {0,
                         -0.0F,
                         Limits::infinity(),
                         -Limits::infinity(),
                         Limits::quiet_NaN(),
                         Limits::max(),
                         Limits::denorm_min(),
                         3e9F * scale,
                         -3e9F * scale};
    if (rng() % 8 == 0) {
        return odd[rng() % std::size(odd)];
    }
    return float(int(rng() % 1200) - 600) * 0.5F * scale;
}

struct Numbers {
    float scale;
    int zero;
    float low, high;
};

Numbers random_numbers(std::mt19937& rng) {
    const float scales[] = {1, 0.5F, 0.0173F, 31.7F, 1e-20F};
    Numbers n{scales[rng() % std::size(scales)], random_zero(rng), 0, 0};
    n.low = float(-n.zero);
    n.high = float(255 - n.zero);
    if (rng() % 3 == 0) {  // an activation's bounds
        n.low = std::max(n.low, 0.0F);
    }
    return n;
}

}  // namespace

TEST_CASE("quantize kernels equal the scalar reference, integer for integer") {
    std::mt19937 rng(20261130);
    for_each_kernel(Algorithm::quantize, [&](const Kernel& kernel) {
        for (int channels : {1, 3, 15, 16, 17, 64}) {
            for (const auto& [from, to] : {std::pair{false, true}, {true, true}, {true, false}}) {
                const Numbers n = random_numbers(rng);
                INFO(kernel.name << ": " << channels << " channels, scale " << n.scale << ", zero "
                                 << n.zero << ", bounds " << n.low << " to " << n.high);
                Strided input(image_extents(channels, 7, 5, from), 0);
                Bytes output(image_extents(channels, 7, 5, to), output_margin);
                input.fill([&](const Index&) { return value_near(rng, n.scale); });
                View in = input.view(), out = output.view();
                REQUIRE(call(kernel, QuantizeCall<halide_buffer_t*>{.input = in,
                                                                    .scale = n.scale,
                                                                    .zero = n.zero,
                                                                    .low = n.low,
                                                                    .high = n.high,
                                                                    .output = out}) == 0);
                const auto expected = [&](const Index& at) {
                    const float value = std::as_const(input).at(at) / n.scale;
                    return stored(value, n.low, n.high, n.zero);
                };
                CHECK(output.wrong(expected, same_byte) == 0);
            }
        }
    });
}

TEST_CASE("dequantize kernels equal the scalar reference, bit for bit") {
    std::mt19937 rng(2);
    for_each_kernel(Algorithm::dequantize, [&](const Kernel& kernel) {
        for (int channels : {1, 3, 15, 16, 17, 64}) {
            for (const auto& [from, to] : {std::pair{false, true}, {true, true}, {true, false}}) {
                const Numbers n = random_numbers(rng);
                INFO(kernel.name << ": " << channels << " channels, scale " << n.scale << ", zero "
                                 << n.zero);
                Bytes input(image_extents(channels, 7, 5, from), 0);
                Strided output(image_extents(channels, 7, 5, to), output_margin);
                input.fill([&](const Index&) { return std::uint8_t(rng()); });
                View in = input.view(), out = output.view();
                REQUIRE(call(kernel,
                             DequantizeCall<halide_buffer_t*>{
                                 .input = in, .scale = n.scale, .zero = n.zero, .output = out}) ==
                        0);
                const auto expected = [&](const Index& at) {
                    return float(int(std::as_const(input).at(at)) - n.zero) * n.scale;
                };
                CHECK(output.wrong(expected, same_value) == 0);
            }
        }
    });
}

TEST_CASE("int8 add kernels equal the scalar reference, integer for integer") {
    std::mt19937 rng(3);
    for_each_kernel(Algorithm::int8_add, [&](const Kernel& kernel) {
        for (int trial = 0; trial < 200; ++trial) {
            const int channels = 1 + int(rng() % 70);
            const Numbers n = random_numbers(rng);
            const int a_zero = random_zero(rng), b_zero = random_zero(rng);
            // Halves make ties; of the others most products are inexact.
            const float factors[] = {0, 0.5F, 1, 1.5F, 0.37F, 2.9F, 1e-3F, 40};
            const float a_factor = factors[rng() % 8], b_factor = factors[rng() % 8];
            const bool repeats = rng() % 3 == 0;  // one value a channel
            INFO(kernel.name << ": " << channels << " channels, (a - " << a_zero << ") * "
                             << a_factor << " + (b - " << b_zero << ") * " << b_factor << ", zero "
                             << n.zero);
            const Extents dense = image_extents(channels, 5, 3, true);
            Bytes a(dense, 0), output(dense, output_margin);
            Bytes b(repeats ? Extents{{channels, 1}, {5, 0}, {3, 0}, {1, 1}} : dense, 0);
            for (Bytes* operand : {&a, &b}) {
                operand->fill([&](const Index&) { return std::uint8_t(rng()); });
            }
            View in_a = a.view(), in_b = b.view(), out = output.view();
            REQUIRE(call(kernel, Int8AddCall<halide_buffer_t*>{.a = in_a,
                                                               .b = in_b,
                                                               .a_zero = a_zero,
                                                               .b_zero = b_zero,
                                                               .a_factor = a_factor,
                                                               .b_factor = b_factor,
                                                               .low = n.low,
                                                               .high = n.high,
                                                               .zero = n.zero,
                                                               .output = out}) == 0);
            const auto expected = [&](const Index& at) {
                // volatile keeps this compiler from joining a product and the sum.
                volatile float left = float(int(std::as_const(a).at(at)) - a_zero) * a_factor;
                volatile float right = float(int(std::as_const(b).at(at)) - b_zero) * b_factor;
                return stored(left + right, n.low, n.high, n.zero);
            };
            CHECK(output.wrong(expected, same_byte) == 0);
        }
    });
}

TEST_CASE("int8 affine kernels equal the scalar reference, integer for integer") {
    std::mt19937 rng(8);
    for_each_kernel(Algorithm::int8_affine, [&](const Kernel& kernel) {
        for (int trial = 0; trial < 200; ++trial) {
            const int channels = 1 + int(rng() % 70);
            const Numbers n = random_numbers(rng);
            const int input_zero = random_zero(rng);
            INFO(kernel.name << ": " << channels << " channels, zeros " << input_zero << " and "
                             << n.zero);
            // Halves make ties; of the others most products are inexact.
            const float values[] = {0, 0.5F, -1, 1.5F, 0.37F, -2.9F, 1e-3F, 40, -3e38F};
            std::vector<float> coefficients(std::size_t(2 * channels));
            for (float& value : coefficients) {
                value = values[rng() % std::size(values)];
            }
            const Extents extents = {{channels, 1}, {5, channels}, {3, 5 * channels}};
            Bytes input(extents, 0), output(extents, output_margin);
            input.fill([&](const Index&) { return std::uint8_t(rng()); });
            View in = input.view(), out = output.view();
            View rows(coefficients.data(), {{channels, 1}, {2, channels}});
            REQUIRE(call(kernel, Int8AffineCall<halide_buffer_t*>{.input = in,
                                                                  .coefficients = rows,
                                                                  .input_zero = input_zero,
                                                                  .low = n.low,
                                                                  .high = n.high,
                                                                  .zero = n.zero,
                                                                  .output = out}) == 0);
            const auto expected = [&](const Index& at) {
                // volatile keeps this compiler from joining the product and the sum.
                volatile float product = float(int(std::as_const(input).at(at)) - input_zero) *
                                         coefficients[std::size_t(at[0])];
                return stored(product + coefficients[std::size_t(channels + at[0])], n.low, n.high,
                              n.zero);
            };
            CHECK(output.wrong(expected, same_byte) == 0);
        }
    });
}

TEST_CASE("int8 copy kernels move every byte between any strides, and turn its bits") {
    std::mt19937 rng(4);
    for_each_kernel(Algorithm::int8_copy, [&](const Kernel& kernel) {
        for (int channels : {1, 3, 15, 16, 17, 64, 100}) {
            for (const bool from : {false, true}) {
                for (const bool to : {false, true}) {
                    const int flip = rng() % 2 == 0 ? 0 : 0x80;
                    INFO(kernel.name << ": " << channels << " channels, dense " << from << to);
                    Bytes input(image_extents(channels, 7, 5, from), 0);
                    Bytes output(image_extents(channels, 7, 5, to), output_margin);
                    input.fill([&](const Index&) { return std::uint8_t(rng()); });
                    View in = input.view(), out = output.view();
                    REQUIRE(call(kernel, Int8CopyCall<halide_buffer_t*>{
                                             .input = in, .flip = flip, .output = out}) == 0);
                    const auto expected = [&](const Index& at) {
                        return std::uint8_t(std::as_const(input).at(at) ^ flip);
                    };
                    CHECK(output.wrong(expected, same_byte) == 0);
                }
            }
        }
    });
}
