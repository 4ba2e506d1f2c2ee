#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/registry.h"
#include "reference/operators.h"
#include "kernels/call.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Tensor;

namespace {

struct Case {
    int channels, outputs, height, width, kernel, stride, pad;
    double density;  ///< of open gates; negative: one position alone
};

struct Problem {
    FusedConv conv;
    Tensor x, gate, residual;
    int height, width;
};

Problem make_problem(const Case& c, GateForm form, std::mt19937& rng) {
    Problem p;
    p.x = {{1, c.channels, c.height, c.width},
           random_values(rng, std::size_t(c.channels) * c.height * c.width, -1, 1)};
    auto weights = std::make_shared<Constant>();
    weights->shape = {c.outputs, c.channels, c.kernel, c.kernel};
    weights->data = random_values(
        rng, std::size_t(c.outputs) * c.channels * c.kernel * c.kernel, -1, 1);
    p.conv.weights = weights;
    p.conv.bias = random_values(rng, c.outputs, -1, 1);
    p.conv.scale = random_values(rng, c.outputs, -2, 2);
    p.conv.shift = random_values(rng, c.outputs, -1, 1);
    std::fill_n(p.conv.stride, 2, c.stride);
    std::fill_n(p.conv.pads, 4, c.pad);
    p.conv.act.low = 0;
    p.conv.post.low = -0.5f;
    p.conv.gate = form;
    p.height = (c.height + 2 * c.pad - c.kernel) / c.stride + 1;
    p.width = (c.width + 2 * c.pad - c.kernel) / c.stride + 1;
    const int maps = form == GateForm::element ? c.outputs : 1;
    p.gate = {{1, maps, p.height, p.width},
              random_values(rng, std::size_t(maps) * p.height * p.width, 0.1f, 1)};
    std::uniform_real_distribution<double> draw(0, 1);
    const std::size_t only = rng() % p.gate.data.size();
    for (std::size_t i = 0; i < p.gate.data.size(); ++i) {
        const bool open = c.density < 0 ? i == only : draw(rng) < c.density;
        p.gate.data[i] *= open;
    }
    p.residual = {{1, c.outputs, p.height, p.width},
                  random_values(rng, std::size_t(c.outputs) * p.height * p.width, -1, 1)};
    return p;
}

// NCHW -> NHWC with a channel pitch and a halo of zeros.
std::vector<float> to_nhwc(const Tensor& t, int pitch, int halo) {
    const int c = int(t.shape[1]), h = int(t.shape[2]), w = int(t.shape[3]);
    std::vector<float> out(std::size_t(h + 2 * halo) * (w + 2 * halo) * pitch);
    for (int k = 0; k < c; ++k) {
        for (int y = 0; y < h; ++y) {
            for (int x = 0; x < w; ++x) {
                out[(std::size_t(y + halo) * (w + 2 * halo) + x + halo) * pitch + k] =
                    t.data[(std::size_t(k) * h + y) * w + x];
            }
        }
    }
    return out;
}

constexpr float untouched = 12345;

// Runs a kernel; positions that it was not given keep `untouched`.
std::vector<float> run_kernel(const Kernel& kernel, const Case& c, const Problem& p, int pitch,
                              int output_pitch) {
    const int row = c.kernel * pitch, block = kernel.block(), blocks = output_pitch / block;
    const std::vector<float> input = to_nhwc(p.x, pitch, c.pad);
    const int padded_width = c.width + 2 * c.pad, padded_height = c.height + 2 * c.pad;

    std::vector<float> weights(std::size_t(blocks) * c.kernel * row * block);
    for (int k = 0; k < c.outputs; ++k) {
        for (int i = 0; i < c.channels * c.kernel * c.kernel; ++i) {
            const int ch = i / (c.kernel * c.kernel), ky = i / c.kernel % c.kernel;
            const int at = (i % c.kernel) * pitch + ch;
            weights[((std::size_t(k / block) * c.kernel + ky) * row + at) * block + k % block] =
                p.conv.weights->floats()[std::size_t(k) * c.channels * c.kernel * c.kernel + i];
        }
    }
    std::vector<float> epilogue(3 * std::size_t(output_pitch));
    std::copy(p.conv.bias.begin(), p.conv.bias.end(), epilogue.begin());
    std::copy(p.conv.scale.begin(), p.conv.scale.end(), epilogue.begin() + output_pitch);
    std::copy(p.conv.shift.begin(), p.conv.shift.end(), epilogue.begin() + 2 * output_pitch);

    const bool element = kernel.family == Family::element_conv;
    const int gate_pitch = element ? output_pitch : 1;
    const std::vector<float> gate = to_nhwc(p.gate, gate_pitch, 0);
    const std::vector<float> residual = to_nhwc(p.residual, output_pitch, 0);
    std::vector<std::uint32_t> list;
    for (int i = 0; i < p.height * p.width; ++i) {
        if (kernel.family != Family::gated_conv || gate[i] != 0) {
            list.push_back(std::uint32_t(i / p.width) << 16 | std::uint32_t(i % p.width));
        }
    }
    std::vector<float> output(std::size_t(p.height) * p.width * output_pitch, untouched);
    if (list.empty()) {
        return output;
    }
    list.resize(round_up(int(list.size()), kernel.pixels), list.back());

    View in(input.data(), {{padded_width * pitch, 1}, {padded_height, padded_width * pitch}});
    View positions(list.data(), {{int(list.size()), 1}});
    View w(weights.data(),
           {{block, 1}, {row, block}, {c.kernel, row * block}, {blocks, row * block * c.kernel}});
    View e(epilogue.data(), {{output_pitch, 1}, {3, output_pitch}});
    View g(gate.data(),
           {{gate_pitch, 1}, {p.width, gate_pitch}, {p.height, p.width * gate_pitch}});
    View r(residual.data(),
           {{output_pitch, 1}, {p.width, output_pitch}, {p.height, p.width * output_pitch}});
    View out(output.data(),
             {{output_pitch, 1}, {p.width, output_pitch}, {p.height, p.width * output_pitch}});
    REQUIRE(call(kernel, in, positions, w, e, g, r, c.stride, c.stride, pitch, p.conv.act.low,
                 p.conv.act.high, p.conv.post.low, p.conv.post.high, out) == 0);
    return output;
}

void check_against_reference(const Kernel& kernel, const Case& c, std::mt19937& rng) {
    const GateForm form = kernel.family == Family::gated_conv     ? GateForm::position
                          : kernel.family == Family::element_conv ? GateForm::element
                                                                  : GateForm::none;
    const Problem p = make_problem(c, form, rng);
    // The network's own input has no padded channels: a pitch off the vector width must work.
    const int pitch = kernel.pitch ? kernel.pitch : c.channels;
    const int output_pitch = round_up(c.outputs, kernel.block());
    const std::vector<float> got = run_kernel(kernel, c, p, pitch, output_pitch);
    const Tensor expected =
        reference::fused_conv(p.conv, p.x, form == GateForm::none ? nullptr : &p.gate, &p.residual);
    const float bound = 1e-6f * float(c.channels * c.kernel * c.kernel) + 1e-5f;
    int wrong = 0;
    for (int i = 0; i < p.height * p.width; ++i) {
        for (int k = 0; k < output_pitch; ++k) {
            const float value = got[std::size_t(i) * output_pitch + k];
            const bool skipped = form == GateForm::position && p.gate.data[i] == 0;
            const float want = skipped          ? untouched
                               : k >= c.outputs ? 0.0f
                                                : expected.data[std::size_t(k) * p.height * p.width + i];
            wrong += !(std::abs(value - want) <= bound);
        }
    }
    CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("convolution kernels equal the scalar reference") {
    std::mt19937 rng(20261124);
    const auto test = [&rng](const Kernel& kernel) {
        for (int channels : {1, 3, 15, 16, 17, 32, 64, 100}) {
            for (int size : {0, 1, 2}) {
                for (double density : {0.0, -1.0, 0.1, 0.5, 1.0}) {
                    for (int k : {1, 3, 5, 7}) {
                        if ((kernel.pitch && kernel.pitch != channels) ||
                            (kernel.kernel_size && kernel.kernel_size != k)) {
                            continue;
                        }
                        // 32x32 is slow in the scalar loops: at one channel count, or specialised.
                        const bool large = kernel.pitch == 0 && channels != 17;
                        if (size == 2 && (large || k > 3 || kernel.pitch > 32)) {
                            continue;
                        }
                        const int height = size == 0 ? 1 : size == 1 ? 7 : 32;
                        const int width = size == 0 ? 1 : size == 1 ? 5 : 32;
                        const int stride = 1 + int(rng() % 2);
                        const Case c{channels, channels, height, width, k, stride, k / 2, density};
                        INFO(kernel.name << ": channels " << channels << ", " << width << "x"
                                         << height << ", kernel " << k << ", stride " << stride
                                         << ", density " << density);
                        check_against_reference(kernel, c, rng);
                    }
                }
            }
        }
    };
    for (const Family family : {Family::dense_conv, Family::gated_conv, Family::element_conv}) {
        for_each_kernel(family, test);
    }
}
