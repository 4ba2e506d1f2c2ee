#include <catch2/catch.hpp>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "kernels/int8_problem.h"
#include "kernels/layer.h"
#include "kernels/registry.h"

using namespace sluice;
using namespace sluice::kernel_test;

namespace {

constexpr Algorithm algorithms[] = {Algorithm::int8_depthwise, Algorithm::int8_staged_depthwise,
                                    Algorithm::int8_float_depthwise};

bool serves(const Kernel& kernel, const ConvCase& c) {
    const auto& info = kernel.as<Int8DepthwiseInfo>();
    const auto is_square = [](const std::array<int, 2>& extents, int side) {
        return extents == std::array{side, side};
    };
    return (info.kernel == 0 || (is_square(c.kernel, info.kernel) && is_square(c.dilation, 1))) &&
           (info.stride == 0 || is_square(c.stride, info.stride));
}

ConvCase depthwise(int channels, int height, int width, std::array<int, 2> kernel, int stride,
                   std::array<int, 4> pads) {
    return {channels, channels, height, width, kernel, {stride, stride}, pads, channels};
}

void check(const Int8Problem& p, const Kernel& kernel, std::mt19937& rng) {
    INFO(kernel.name);
    const int channel_stride = round_up(p.shape.channels, kernel.block());
    if (kernel.gate == GateForm::none) {
        CHECK(count_wrong(p, kernel, channel_stride, {}, list_open(p, {})) == 0);
        return;
    }
    const bool is_element = kernel.gate == GateForm::element;
    for (const double density : {-1.0, 0.3, 1.0}) {
        INFO("density " << density);
        const auto gate = make_int8_gate(p, is_element ? p.shape.outputs : 1, density, rng);
        // All outputs are written, whatever the gate.
        CHECK(count_wrong(p, kernel, channel_stride, gate, list_open(p, {})) == 0);
    }
}

int check_all_forms(const Int8Problem& p, std::mt19937& rng) {
    INFO(to_string(p.shape));
    int served = 0;
    for (const Algorithm algorithm : algorithms) {
        for_each_kernel(algorithm, [&](const Kernel& kernel) {
            if (serves(kernel, p.shape)) {
                check(p, kernel, rng);
                ++served;
            }
        });
    }
    return served;
}

}  // namespace

// A case a channel count, so that ctest runs them side by side.
TEMPLATE_TEST_CASE_SIG("int8 depthwise kernels equal the scalar reference, channels", "",
                       ((int channels), channels), 1, 3, 8, 16, 17, 40) {
    std::mt19937 rng(20261201 + channels);
    for (const int k : {1, 3, 5, 7}) {
        for (const int stride : {1, 2, 3}) {
            for (const auto& [height, width] :
                 {std::pair{1, 1}, {4, 2}, {7, 5}, {9, 13}, {14, 14}}) {
                const int pad = k / 2;
                const ConvCase c =
                    depthwise(channels, height, width, {k, k}, stride, {pad, pad, pad, pad});
                CHECK(check_all_forms(make_int8_problem(c, rng), rng) > 0);
            }
        }
    }
}

TEST_CASE("int8 depthwise kernels take windows, strides, pads and dilations that differ by side") {
    std::mt19937 rng(41);
    for (const int channels : {5, 16, 33}) {
        ConvCase c = depthwise(channels, 9, 12, {3, 5}, 1, {0, 3, 1, 2});
        check_all_forms(make_int8_problem(c, rng), rng);
        c.stride = {2, 1};
        check_all_forms(make_int8_problem(c, rng), rng);
        c.dilation = {2, 3};
        c.pads = {4, 6, 0, 1};
        check_all_forms(make_int8_problem(c, rng), rng);
        // As exporters pad for stride 2: the odd one first, last, or nothing at all.
        for (const std::array pads : {std::array{1, 0, 0, 1}, {0, 0, 1, 1}, {0, 0, 0, 0}}) {
            for (const int k : {3, 5}) {
                c = depthwise(channels, 11, 10, {k, k}, 2, pads);
                check_all_forms(make_int8_problem(c, rng), rng);
            }
        }
    }
}

// The largest products, whose pairs 16 bits do not hold, with the sum's last bits in the answer.
TEST_CASE("int8 depthwise kernels are exact at the ends of the range") {
    std::mt19937 rng(42);
    for (const int k : {3, 5, 7}) {
        for (const int weight : {-128, 127}) {
            for (const int input : {0, 255}) {
                for (const int zero : {0, 101, 128, 255}) {
                    Int8Problem p =
                        make_int8_problem(depthwise(20, 6, 9, {k, k}, 1, {1, 1, 1, 1}), rng);
                    std::fill(p.x.begin(), p.x.end(), std::uint8_t(input));
                    std::fill(p.weights.begin(), p.weights.end(), std::int8_t(weight));
                    for (std::size_t i = 0; i < p.bias.size(); ++i) {
                        p.bias[i] = std::int32_t(k * k * (zero - input) * weight + int(i) - 10);
                    }
                    std::fill(p.multiplier.begin(), p.multiplier.end(), 1.0f);
                    p.input_zero = zero;
                    compute_sums(p);
                    check_all_forms(p, rng);
                }
            }
        }
    }
}

// Sums that int32 just holds.
TEST_CASE("int8 depthwise kernels take any bias") {
    std::mt19937 rng(43);
    for (const int sign : {-1, 1}) {
        Int8Problem p = make_int8_problem(depthwise(17, 5, 8, {3, 3}, 1, {1, 1, 1, 1}), rng);
        std::fill(p.bias.begin(), p.bias.end(), sign * (1 << 30));
        std::fill(p.multiplier.begin(), p.multiplier.end(), 1e-7f);
        compute_sums(p);
        check_all_forms(p, rng);
    }
}

// What Halide needs to be told for VNNI would let LLVM use VBMI in these kernels.
TEST_CASE("CPUs with VNNI run the int8 depthwise kernels of AVX-512") {
    ConvLayer layer = square_layer(3, 64, 64);
    layer.groups = 64;
    layer.is_depthwise = true;
    for (const Target& target : targets()) {
        const bool has_vnni = std::string(target.requires_).find("avx512vnni") != std::string::npos;
        for (const Algorithm algorithm : algorithms) {
            INFO(target.id);
            CHECK(find_conv(algorithm, GateForm::none, target, layer)->target ==
                  std::string(has_vnni ? "avx512" : target.id));
        }
    }
}
