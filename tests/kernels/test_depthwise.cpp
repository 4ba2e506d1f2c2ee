#include <catch2/catch.hpp>

#include <algorithm>
#include <random>
#include <vector>

#include "kernels/conv_problem.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Tensor;

namespace {

bool serves(const Kernel& kernel, const ConvCase& c) {
    const auto& info = kernel.as<DepthwiseInfo>();
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

// [C, 1, kh, kw] -> (k % block, kx, ky, k / block), zeros where there is no channel.
std::vector<float> pack(const ConvProblem& p, int block, int lanes_and_channels) {
    const int taps = p.shape.kernel[0] * p.shape.kernel[1];
    std::vector<float> packed(std::size_t(lanes_and_channels * taps));
    for (int i = 0; i < p.shape.outputs * taps; ++i) {
        const int k = i / taps, tap = i % taps;
        packed[std::size_t((k / block * taps + tap) * block + k % block)] =
            p.conv.weights->floats()[std::size_t(i)];
    }
    return packed;
}

std::vector<float> epilogue_of(const FusedConv& conv, int all) {
    std::vector<float> rows(std::size_t(3 * all));
    std::copy(conv.bias.begin(), conv.bias.end(), rows.begin());
    std::copy(conv.scale.begin(), conv.scale.end(), rows.begin() + all);
    std::copy(conv.shift.begin(), conv.shift.end(), rows.begin() + 2 * all);
    return rows;
}

// Computes the list, or all outputs where the kernel reads none.
void run(const ConvProblem& p, const Kernel& kernel, const Tensor& gate,
         const std::vector<std::uint32_t>& list, Strided& output) {
    const ConvCase& c = p.shape;
    const int block = kernel.block(), all = round_up(c.outputs, block);
    const int width = c.pads[1] + c.width + c.pads[3], height = c.pads[0] + c.height + c.pads[2];
    const int residual_x = p.has_residual ? all : 0;
    const Guarded input(to_nhwc(p.x, all, c.pads)), weights(pack(p, block, all));
    const Guarded epilogue(epilogue_of(p.conv, all)), maps(to_nhwc(gate, 1, {}));
    const Guarded residual(p.has_residual ? to_nhwc(p.residual, all, {})
                                          : std::vector<float>(std::size_t(all), 0.0F));
    const auto [rows, columns] = c.kernel;
    View in(input.data(), {{all, 1}, {width, all}, {height, width * all}});
    View positions(list.data(), {{int(list.size()), 1}});
    View w(weights.data(), {{block, 1},
                            {columns, block},
                            {rows, columns * block},
                            {all / block, rows * columns * block}});
    View e(epilogue.data(), {{all, 1}, {3, all}});
    View g(maps.data(), {{1, 1}, {p.width, 1}, {p.height, p.width}});
    View r(residual.data(), {{all, 1}, {p.width, residual_x}, {p.height, p.width * residual_x}});
    View out = output.view();
    const Activation activation = p.conv.activation.value_or(Activation{ActivationKind::silu});
    REQUIRE(
        call(kernel, DepthwiseConvCall<halide_buffer_t*>{.input = in,
                                                         .positions = positions,
                                                         .weights = w,
                                                         .epilogue = e,
                                                         .gate = g,
                                                         .residual = r,
                                                         .stride_x = c.stride[1],
                                                         .stride_y = c.stride[0],
                                                         .dilation_x = c.dilation[1],
                                                         .dilation_y = c.dilation[0],
                                                         .act_low = p.conv.act.low,
                                                         .act_high = p.conv.act.high,
                                                         .post_low = p.conv.post.low,
                                                         .post_high = p.conv.post.high,
                                                         .is_plain = is_plain(p),
                                                         .activation = int(last_activation(p.conv)),
                                                         .activation_alpha = activation.alpha,
                                                         .activation_beta = activation.beta,
                                                         .output = out}) == 0);
}

// Channels beyond the last are zero; a position whose gate is closed keeps what it held.
void check(ConvProblem p, const Kernel& kernel, double density, std::mt19937& rng) {
    const bool is_gated = kernel.gate == GateForm::position;
    p.conv.activation = is_gated ? std::nullopt : draw_activation(rng);
    const Tensor gate = make_gate(p, 1, density, rng);
    const auto list = list_positions(p, gate, is_gated ? 0 : -1);
    const int all = round_up(p.shape.outputs, kernel.block());
    Strided output({{all, 1}, {p.width, all}, {p.height, (p.width + 1) * all}}, output_margin);
    if (!list.empty()) {
        run(p, kernel, gate, list, output);
    }
    const Tensor want = reference::gated(p.conv, p.products, is_gated ? &gate : nullptr,
                                         p.has_residual ? &p.residual : nullptr);
    const auto expected = [&](const Index& at) {
        const int pixel = at[2] * p.width + at[1], size = p.height * p.width;
        if (is_gated && gate.data[std::size_t(pixel)] == 0) {
            return untouched;
        }
        return at[0] < p.shape.outputs ? want.data[std::size_t(at[0] * size + pixel)]
                                       : output_of_zero(p.conv);
    };
    CHECK(output.wrong(expected, within(1e-4F)) == 0);
}

void check_all(const ConvCase& c, std::mt19937& rng) {
    INFO(to_string(c));
    const ConvProblem p = make_problem(c, rng);
    for_each_kernel(Algorithm::depthwise_conv, [&](const Kernel& kernel) {
        if (!serves(kernel, c)) {
            return;
        }
        INFO(kernel.name);
        for (const double density : {1.0, 0.4, -1.0}) {
            check(p, kernel, density, rng);
        }
    });
}

}  // namespace

TEMPLATE_TEST_CASE_SIG("depthwise kernels equal the scalar reference, channels", "",
                       ((int channels), channels), 2, 3, 8, 16, 17, 40) {
    std::mt19937 rng(30 + channels);
    for (const int k : {1, 3, 5, 7}) {
        for (const int stride : {1, 2, 3}) {
            for (const auto& [height, width] :
                 {std::pair{1, 1}, {4, 2}, {7, 5}, {9, 13}, {14, 14}}) {
                const int pad = k / 2;
                check_all(depthwise(channels, height, width, {k, k}, stride, {pad, pad, pad, pad}),
                          rng);
            }
        }
    }
}

TEST_CASE("depthwise kernels take windows, strides, pads and dilations that differ by side") {
    std::mt19937 rng(31);
    for (const int channels : {5, 16, 33}) {
        ConvCase c = depthwise(channels, 9, 12, {3, 5}, 1, {0, 3, 1, 2});
        check_all(c, rng);
        c.stride = {2, 1};
        check_all(c, rng);
        c.dilation = {2, 3};
        c.pads = {4, 6, 0, 1};
        check_all(c, rng);
        c = depthwise(channels, 11, 10, {3, 3}, 1, {2, 2, 2, 2});
        c.dilation = {2, 2};
        check_all(c, rng);
    }
}

// A NaN or an infinity in the input, the weights, the bias or the residual, behind every clamp.
TEST_CASE("depthwise kernels give NaN and infinities where the scalar reference does") {
    std::mt19937 rng(32);
    for_each_kernel(Algorithm::depthwise_conv, [&](const Kernel& kernel) {
        const auto& info = kernel.as<DepthwiseInfo>();
        const int k = info.kernel ? info.kernel : 3, stride = info.stride ? info.stride : 1;
        for (int round = 0; round < 6; ++round) {
            ConvProblem p =
                make_problem(depthwise(kernel.block(), k + 6, k + 4, {k, k}, stride, {}), rng);
            spoil(p, rng);
            INFO(kernel.name << ": " << to_string(p.shape));
            check(p, kernel, 0.6, rng);
        }
    });
}
