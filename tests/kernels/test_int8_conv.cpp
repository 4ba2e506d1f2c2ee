#include <catch2/catch.hpp>

#include <algorithm>
#include <initializer_list>
#include <random>
#include <vector>

#include "kernels/int8_problem.h"

using namespace sluice;
using namespace sluice::kernel_test;

namespace {

constexpr Algorithm algorithms[] = {Algorithm::int8_conv, Algorithm::int8_staged_conv,
                                    Algorithm::int8_float_conv};

bool serves(const Kernel& kernel, const ConvCase& c) {
    const bool square = c.kernel[0] == c.kernel[1];
    const Int8Info& info = kernel.as<Int8Info>();
    // Channels may be padded to whole vectors, and rows to the depth.
    const int bytes = c.kernel[0] * c.kernel[1] * round_up(c.channels, kernel.lanes);
    return (info.channels == 0 || info.channels == c.channels) &&
           (info.kernel == 0 || (square && info.kernel == c.kernel[0])) &&
           (info.depth == 0 || bytes + info.depth <= info.most_bytes);
}

// The network's own input has no lanes beside its channels.
int draw_stride(const Kernel& kernel, int channels, std::mt19937& rng) {
    return kernel.as<Int8Info>().channels || rng() % 2 ? channels
                                                       : round_up(channels, kernel.lanes);
}

void check(const Int8Problem& p, const Kernel& kernel, std::mt19937& rng) {
    INFO(kernel.name);
    const int channel_stride = draw_stride(kernel, p.shape.channels, rng);
    if (kernel.gate == GateForm::none) {
        CHECK(count_wrong(p, kernel, channel_stride, {}, list_open(p, {})) == 0);
        return;
    }
    const bool is_element = kernel.gate == GateForm::element;
    for (double density : {0.0, -1.0, 0.1, 0.5, 1.0}) {
        INFO("density " << density);
        const auto gate = make_int8_gate(p, is_element ? p.shape.outputs : 1, density, rng);
        const auto list = list_open(p, is_element ? std::vector<float>() : gate);
        CHECK(count_wrong(p, kernel, channel_stride, gate, list) == 0);
    }
}

void check_all_forms(const Int8Problem& p, std::mt19937& rng) {
    INFO(to_string(p.shape));
    for (const Algorithm algorithm : algorithms) {
        for_each_kernel(algorithm, [&](const Kernel& kernel) {
            if (serves(kernel, p.shape)) {
                check(p, kernel, rng);
            }
        });
    }
}

}  // namespace

// A case a channel count, so that ctest runs them side by side.
TEMPLATE_TEST_CASE_SIG("int8 convolution kernels equal the scalar reference, channels", "",
                       ((int channels), channels), 1, 3, 15, 16, 17, 32, 64, 100) {
    std::mt19937 rng(20261130 + channels);
    const int outputs[] = {channels, 1, 10, 33, 64};
    int next = 0;
    for (const auto& [height, width] : {std::pair{1, 1}, {7, 5}, {11, 13}}) {
        for (const auto& kernel : {std::array{1, 1}, {3, 3}, {5, 5}, {7, 7}, {1, 3}}) {
            for (int stride : {1, 2}) {
                const std::array pads{kernel[0] / 2, kernel[1] / 2, kernel[0] / 2, kernel[1] / 2};
                const ConvCase c = {channels, outputs[++next % 5], height, width,
                                    kernel,   {stride, stride},    pads};
                check_all_forms(make_int8_problem(c, rng), rng);
            }
        }
    }
}

TEST_CASE("int8 convolution kernels take windows, strides and pads that differ by side") {
    std::mt19937 rng(5);
    for (int channels : {3, 16, 20}) {
        for (int outputs : {1, 10, 33}) {
            for (const ConvCase& c :
                 {ConvCase{channels, outputs, 9, 12, {3, 5}, {2, 1}, {0, 3, 1, 2}},
                  {channels, outputs, 6, 4, {1, 2}, {1, 3}, {0, 0, 0, 0}},
                  {channels, outputs, 8, 9, {3, 3}, {1, 2}, {0, 1, 2, 0}}}) {
                check_all_forms(make_int8_problem(c, rng), rng);
            }
        }
    }
}

// Sums beyond 2^24, which floats no longer hold exactly, of the products that 16 bits just hold.
TEST_CASE("int8 convolution kernels are exact at the ends of the range") {
    std::mt19937 rng(6);
    for (const int weight : {-128, 127}) {
        for (const int input : {0, 255}) {
            for (const int zero : {0, 128, 255}) {
                Int8Problem p =
                    make_int8_problem({256, 20, 5, 4, {3, 3}, {1, 1}, {1, 1, 1, 1}}, rng);
                std::fill(p.x.begin(), p.x.end(), std::uint8_t(input));
                std::fill(p.weights.begin(), p.weights.end(), std::int8_t(weight));
                // Of a sum's last bits the answer shows something too.
                for (std::size_t k = 0; k < p.bias.size(); ++k) {
                    p.bias[k] = std::int32_t(2304 * (zero - input) * weight + int(k) - 10);
                }
                std::fill(p.multiplier.begin(), p.multiplier.end(), 1.0f);
                p.input_zero = zero;
                compute_sums(p);
                check_all_forms(p, rng);
                std::fill(p.bias.begin(), p.bias.end(), 3);
                std::fill(p.multiplier.begin(), p.multiplier.end(), 1.3e-6f);
                compute_sums(p);
                check_all_forms(p, rng);
            }
        }
    }
}

// The longest that matrices have memory for, with rows that end within a group of bytes and not;
// and first more weights than a cache holds, and so many positions that two tiles share them out.
TEST_CASE("int8 convolution kernels take long patches") {
    std::mt19937 rng(8);
    check_all_forms(make_int8_problem({512, 256, 7, 10, {3, 3}, {1, 1}, {1, 1, 1, 1}}, rng), rng);
    check_all_forms(make_int8_problem({80, 32, 5, 7, {7, 7}, {1, 1}, {3, 3, 3, 3}}, rng), rng);
    check_all_forms(make_int8_problem({4600, 32, 3, 6, {1, 1}, {1, 1}, {0, 0, 0, 0}}, rng), rng);
}

TEST_CASE("int8 convolution kernels round halves to even") {
    std::mt19937 rng(7);
    for (int round = 0; round < 8; ++round) {
        Int8Problem p = make_int8_problem({2, 16, 15, 16, {1, 1}, {1, 1}, {0, 0, 0, 0}}, rng);
        for (std::int8_t& weight : p.weights) {
            weight = std::int8_t(int(rng() % 3) - 1);
        }
        std::fill(p.bias.begin(), p.bias.end(), round);
        std::fill(p.multiplier.begin(), p.multiplier.end(), 0.5f);
        std::fill(p.shift.begin(), p.shift.end(), 0.0f);
        p.residual_scale = 0.5f;
        p.stages[0].factor = p.stages[1].factor = 0.5f;
        compute_sums(p);
        int halves = 0;
        for (const std::int64_t sum : p.sums) {
            halves += sum % 2 != 0;
        }
        CHECK(halves > 100);
        check_all_forms(p, rng);
    }
}
