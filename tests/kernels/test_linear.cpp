#include <catch2/catch.hpp>

#include <limits>
#include <random>
#include <vector>

#include "kernels/memory.h"
#include "reference/operators.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Tensor;

namespace {

// [O, I] -> (k % lanes, i, k / lanes), zeros past the last output.
std::vector<float> pack(const Tensor& weights, int lanes, int padded) {
    const int outputs = int(weights.shape[0]), inputs = int(weights.shape[1]);
    std::vector<float> packed(std::size_t(padded * inputs));
    for (int o = 0; o < outputs; ++o) {
        for (int i = 0; i < inputs; ++i) {
            packed[std::size_t((o / lanes * inputs + i) * lanes + o % lanes)] =
                weights.data[std::size_t(o * inputs + i)];
        }
    }
    return packed;
}

/// Computes the blocks of lanes from `first_block` on, as one of several threads does.
void check(const Kernel& kernel, int inputs, int outputs, const Clamp& clamp, int first_block,
           std::mt19937& rng, bool is_spoiled = false) {
    Tensor x = {{1, inputs}, random_values(rng, std::size_t(inputs), -1, 1)};
    Tensor weights = {{outputs, inputs}, random_values(rng, std::size_t(outputs * inputs), -1, 1)};
    std::vector<float> bias = random_values(rng, std::size_t(outputs), -1, 1);
    if (is_spoiled) {
        x.data[rng() % x.data.size()] = std::numeric_limits<float>::infinity();
        spoil(bias, rng);
        weights.data[rng() % weights.data.size()] = std::numeric_limits<float>::quiet_NaN();
    }
    const Tensor expected = reference::clamp(clamp, reference::linear(x, weights, bias));

    const int lanes = kernel.lanes, padded = round_up(outputs, lanes), first = first_block * lanes;
    bias.resize(std::size_t(padded));
    const Guarded input(x.data), packed(pack(weights, lanes, padded)), offsets(bias);
    Strided output({{padded - first, 1}}, output_margin);
    View in(input.data(), {{inputs, 1}});
    View w(packed.data() + first * inputs,
           {{lanes, 1}, {inputs, lanes}, {(padded - first) / lanes, inputs * lanes}});
    View b(offsets.data() + first, {{padded - first, 1}});
    View out = output.view();
    REQUIRE(call(kernel, LinearCall<halide_buffer_t*>{.input = in,
                                                      .weights = w,
                                                      .bias = b,
                                                      .low = clamp.low,
                                                      .high = clamp.high,
                                                      .output = out}) == 0);
    const auto at = [&](const Index& i) {
        return first + i[0] < outputs ? expected.data[std::size_t(first + i[0])]
                                      : std::min(std::max(0.0f, clamp.low), clamp.high);
    };
    CHECK(output.wrong(at, within(2e-7f * float(inputs) + 1e-6f)) == 0);
}

}  // namespace

TEST_CASE("linear kernels equal the scalar reference") {
    std::mt19937 rng(20261124);
    const std::array<Clamp, 4> clamps = all_clamps();
    int problems = 0;
    for (int inputs : {1, 2, 3, 15, 16, 17, 64, 100, 1001}) {
        for (int outputs : {1, 3, 10, 15, 16, 17, 64, 100}) {
            const Clamp& clamp = clamps[std::size_t(problems++ % 4)];
            for_each_kernel(Algorithm::linear, [&](const Kernel& kernel) {
                INFO(kernel.name << ": " << inputs << " -> " << outputs << ", clamp " << clamp.low
                                 << " to " << clamp.high);
                check(kernel, inputs, outputs, clamp, 0, rng);
            });
        }
    }
}

TEST_CASE("linear kernels give NaN and infinities where the scalar reference does") {
    std::mt19937 rng(10);
    for_each_kernel(Algorithm::linear, [&](const Kernel& kernel) {
        for (const Clamp& clamp : all_clamps()) {
            for (int inputs : {1, 7, 40}) {
                INFO(kernel.name << ": " << inputs << " inputs, clamp " << clamp.low << " to "
                                 << clamp.high);
                // No lanes beside the outputs, whose weights of zero would meet infinities.
                check(kernel, inputs, 4 * kernel.lanes, clamp, 0, rng, true);
            }
        }
    });
}

TEST_CASE("linear kernels compute the outputs of a cropped output and no others") {
    std::mt19937 rng(9);
    for_each_kernel(Algorithm::linear, [&](const Kernel& kernel) {
        for (int first_block : {1, 2, 3}) {
            INFO(kernel.name << ": from block " << first_block);
            check(kernel, 33, 4 * kernel.lanes - 1, {}, first_block, rng);
        }
    });
}
