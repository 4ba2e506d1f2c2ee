#include <catch2/catch.hpp>

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/strided_image.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Binary;
using reference::Tensor;

namespace {

const std::pair<BinaryOperation, Binary> operations[] = {
    {BinaryOperation::add, Binary::add}, {BinaryOperation::sub, Binary::sub},
    {BinaryOperation::mul, Binary::mul}, {BinaryOperation::div, Binary::div},
    {BinaryOperation::max, Binary::max}, {BinaryOperation::min, Binary::min},
    {BinaryOperation::pow, Binary::pow}, {BinaryOperation::prelu, Binary::prelu}};

/// Bit for bit, but for zeros of either sign where one of two is taken, and what the C library's
/// pow rounds.
bool same_result(Binary op, float got, float want) {
    return same_value(got, want) || (op >= Binary::max && got == want);
}

template <typename Test>
void for_each_binary(BinaryOperation operation, Test test) {
    for_each_kernel(Algorithm::binary, [&](const Kernel& kernel) {
        if (kernel.as<BinaryInfo>().operation == operation) {
            test(kernel);
        }
    });
}

/// What scalar code does with each is part of IEEE 754.
std::vector<float> special_values() {
    using Limits = std::numeric_limits<float>;
    return {0.0f,
            -0.0f,
            1.0f,
            -1.0f,
            Limits::max(),
            -Limits::max(),
            Limits::min(),
            Limits::denorm_min(),
            1.0f / 3,
            -2.5f,
            1e30f,
            -1e-30f,
            Limits::infinity(),
            -Limits::infinity(),
            Limits::quiet_NaN()};
}

// An eighth of the values are special.
void fill(Strided& tensor, std::mt19937& rng) {
    const std::vector<float> special = special_values();
    std::uniform_real_distribution<float> draw(-2, 2);
    tensor.fill(
        [&](const Index&) { return rng() % 8 == 0 ? special[rng() % special.size()] : draw(rng); });
}

// The elements, repeated ones too, as the reference sees them: the innermost extent last.
Tensor dense(const Strided& tensor, const Index& extents) {
    Tensor t = reference::zeros({extents[3], extents[2], extents[1], extents[0]});
    std::size_t i = 0;
    tensor.for_each([&](const Index& at) { t.data[i++] = tensor.at(at); });
    return t;
}

auto at_dense(const Tensor& t, const Index& extents) {
    return [&t, extents](const Index& i) {
        return t.data[std::size_t(((i[3] * extents[2] + i[2]) * extents[1] + i[1]) * extents[0] +
                                  i[0])];
    };
}

struct Operands {
    const char* name;
    Extents a, b, output;
};

// Strides that the kernels vectorise, and strides that they do not.
std::vector<Operands> operands(const Index& e) {
    const auto [c, w, h, n] = e;
    const Extents plain = {{c, 1}, {w, c}, {h, c * w}, {n, c * w * h}};
    const Extents gaps = {{c, 1}, {w, c + 3}, {h, (c + 3) * w + 2}, {n, ((c + 3) * w + 2) * h}};
    const Extents one = {{c, 0}, {w, 0}, {h, 0}, {n, 0}};
    const Extents channel = {{c, 1}, {w, 0}, {h, 0}, {n, 0}};
    const Extents position = {{c, 0}, {w, 1}, {h, w}, {n, 0}};
    const Extents turned = {{c, w * h * n}, {w, 1}, {h, w}, {n, w * h}};
    const Extents back = {{c, -1}, {w, -c}, {h, -c * w}, {n, c * w * h}};
    return {{"dense", plain, plain, plain},
            {"gaps", gaps, plain, gaps},
            {"a scalar at the right", plain, one, plain},
            {"a scalar at the left", one, plain, gaps},
            {"a value a channel", plain, channel, plain},
            {"a value a position", gaps, position, plain},
            {"a value a position at the left", position, channel, plain},
            {"channels outermost", turned, plain, plain},
            {"backwards", plain, back, gaps},
            {"two scalars", one, one, plain}};
}

void check_binary(const Kernel& kernel, Binary op, const Index& extents, std::mt19937& rng) {
    for (const Operands& o : operands(extents)) {
        INFO(kernel.name << ": " << o.name << ", " << extents[0] << "x" << extents[1] << "x"
                         << extents[2] << "x" << extents[3]);
        Strided a(o.a, 0), b(o.b, 0), output(o.output, output_margin);
        fill(a, rng);
        fill(b, rng);
        const Tensor expected = reference::binary(op, dense(a, extents), dense(b, extents));
        View in_a = a.view(), in_b = b.view(), out = output.view();
        REQUIRE(call(kernel, BinaryCall<halide_buffer_t*>{.a = in_a, .b = in_b, .output = out}) ==
                0);
        CHECK(output.wrong(at_dense(expected, extents), [op](float got, float want) {
            return same_result(op, got, want);
        }) == 0);
    }
}

}  // namespace

TEMPLATE_TEST_CASE_SIG("binary kernels equal the scalar reference bit for bit, channels", "",
                       ((int channels), channels), 1, 3, 15, 16, 17, 64, 100) {
    std::mt19937 rng(20261124);
    for (const auto& [operation, op] : operations) {
        for_each_binary(operation, [&, op = op](const Kernel& kernel) {
            for (const auto& [height, width] : {std::pair{1, 1}, {7, 5}, {32, 32}}) {
                check_binary(kernel, op, {channels, width, height, 1}, rng);
            }
            check_binary(kernel, op, {channels, 3, 2, 4}, rng);
        });
    }
}

TEST_CASE("binary kernels do with zeros, infinities and NaN what scalar code does") {
    const std::vector<float> special = special_values();
    const int count = int(special.size());
    const Index extents = {count, count, 1, 1};
    for (const auto& [operation, op] : operations) {
        for_each_binary(operation, [&, op = op](const Kernel& kernel) {
            INFO(kernel.name);
            // Every value with every other: along d0 in b, along d1 in a.
            Strided a({{count, 0}, {count, 1}, {1, 0}, {1, 0}}, 0);
            Strided b({{count, 1}, {count, 0}, {1, 0}, {1, 0}}, 0);
            a.fill([&](const Index& at) { return special[std::size_t(at[1])]; });
            b.fill([&](const Index& at) { return special[std::size_t(at[0])]; });
            Strided output({{count, 1}, {count, count}, {1, 1}, {1, 1}}, output_margin);
            const Tensor expected = reference::binary(op, dense(a, extents), dense(b, extents));
            View in_a = a.view(), in_b = b.view(), out = output.view();
            REQUIRE(call(kernel,
                         BinaryCall<halide_buffer_t*>{.a = in_a, .b = in_b, .output = out}) == 0);
            CHECK(output.wrong(at_dense(expected, extents), [op = op](float got, float want) {
                return same_result(op, got, want);
            }) == 0);
        });
    }
}

TEST_CASE("binary kernels may write over either operand") {
    std::mt19937 rng(11);
    for (const auto& [operation, op] : operations) {
        for_each_binary(operation, [&, op = op](const Kernel& kernel) {
            for (int channels : {1, 3, 15, 16, 17, 100}) {
                const Index extents = {channels, 5, 7, 1};
                const Operands o = operands(extents)[1];
                for (bool over_left : {true, false}) {
                    INFO(kernel.name << ": " << channels << " channels, over the "
                                     << (over_left ? "left" : "right"));
                    Strided shared(o.output, output_margin), other(o.a, 0);
                    fill(shared, rng);
                    fill(other, rng);
                    const Tensor left = dense(over_left ? shared : other, extents);
                    const Tensor right = dense(over_left ? other : shared, extents);
                    const Tensor expected = reference::binary(op, left, right);
                    View in_a = (over_left ? shared : other).view();
                    View in_b = (over_left ? other : shared).view(), out = shared.view();
                    REQUIRE(call(kernel, BinaryCall<halide_buffer_t*>{
                                             .a = in_a, .b = in_b, .output = out}) == 0);
                    CHECK(
                        shared.wrong(at_dense(expected, extents), [op = op](float got, float want) {
                            return same_result(op, got, want);
                        }) == 0);
                }
            }
        });
    }
}

namespace {

struct AffineProblem {
    Affine affine;
    Tensor x, expected;
};

AffineProblem make_affine(int channels, int height, int width, std::mt19937& rng) {
    const std::array<Clamp, 4> clamps = all_clamps();
    AffineProblem p;
    p.affine.scale = random_values(rng, std::size_t(channels), -2, 2);
    p.affine.shift = random_values(rng, std::size_t(channels), -1, 1);
    p.affine.clamp = clamps[rng() % clamps.size()];
    p.x = {{1, channels, height, width},
           random_values(rng, std::size_t(channels * height * width), -1, 1)};
    p.expected = reference::affine(p.affine, p.x);
    return p;
}

// (c, row), zeros in the lanes beyond the channels.
std::vector<float> coefficients(const Affine& affine, int computed) {
    std::vector<float> rows(std::size_t(2 * computed));
    std::copy(affine.scale.begin(), affine.scale.end(), rows.begin());
    std::copy(affine.shift.begin(), affine.shift.end(), rows.begin() + computed);
    return rows;
}

void check_affine(const Kernel& kernel, const AffineProblem& p, Strided& input, Strided& output,
                  int computed) {
    const Guarded rows(coefficients(p.affine, computed));
    View in = input.view(), table(rows.data(), {{computed, 1}, {2, computed}}), out = output.view();
    REQUIRE(call(kernel, AffineCall<halide_buffer_t*>{.input = in,
                                                      .coefficients = table,
                                                      .low = p.affine.clamp.low,
                                                      .high = p.affine.clamp.high,
                                                      .output = out}) == 0);
    const auto expected = [&](const Index& at) {
        return at[0] < int(p.x.shape[1]) ? at_image(p.expected)(at) : p.affine.clamp.apply(0);
    };
    CHECK(output.wrong(expected, within(5e-7f)) == 0);
}

}  // namespace

TEST_CASE("affine kernels equal the scalar reference") {
    std::mt19937 rng(20261124);
    for (int channels : {1, 3, 15, 16, 17, 64, 100}) {
        for (const auto& [height, width] : {std::pair{1, 1}, {7, 5}, {32, 32}}) {
            const AffineProblem p = make_affine(channels, height, width, rng);
            for_each_kernel(Algorithm::affine, [&](const Kernel& kernel) {
                for (const Lanes& lanes : lane_forms(channels, kernel.lanes)) {
                    INFO(kernel.name << ": " << channels << " channels, " << width << "x" << height
                                     << ", output channel_stride " << lanes.output_stride);
                    Strided input = image(p.x, lanes.computed, lanes.input_stride);
                    Strided output =
                        output_image(lanes.computed, lanes.output_stride, width, height);
                    check_affine(kernel, p, input, output, lanes.computed);
                }
            });
        }
    }
}

TEST_CASE("affine kernels may write over their input") {
    std::mt19937 rng(12);
    for (int channels : {1, 3, 16, 17, 100}) {
        const AffineProblem p = make_affine(channels, 7, 5, rng);
        for_each_kernel(Algorithm::affine, [&](const Kernel& kernel) {
            INFO(kernel.name << ": " << channels << " channels");
            Strided shared = output_image(channels, channels + 3, 5, 7);
            shared.fill(at_image(p.x));
            check_affine(kernel, p, shared, shared, channels);
        });
    }
}

TEST_CASE("affine kernels give NaN and infinities where the scalar reference does") {
    std::mt19937 rng(13);
    for_each_kernel(Algorithm::affine, [&](const Kernel& kernel) {
        for (int channels : {1, kernel.lanes - 1, 2 * kernel.lanes + 1}) {
            for (const Clamp& clamp : all_clamps()) {
                INFO(kernel.name << ": " << channels << " channels, clamp " << clamp.low << " to "
                                 << clamp.high);
                AffineProblem p = make_affine(channels, 7, 5, rng);
                p.affine.clamp = clamp;
                spoil(p.x.data, rng);
                spoil(channels % 2 ? p.affine.scale : p.affine.shift, rng);
                p.expected = reference::affine(p.affine, p.x);
                Strided input = image(p.x, channels, channels);
                Strided output = output_image(channels, channels + 3, 5, 7);
                check_affine(kernel, p, input, output, channels);
            }
        }
    });
}
