#include <catch2/catch.hpp>

#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/memory.h"
#include "reference/operators.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Tensor;

namespace {

/// Parameters that networks have, and some that they do not.
const std::vector<Activation> parameters = {
    {ActivationKind::abs},
    {ActivationKind::elu},
    {ActivationKind::elu, 1.67326319F, 1.05070102F},
    {ActivationKind::elu, 300, 0.5F},
    {ActivationKind::erf},
    {ActivationKind::exp},
    {ActivationKind::gelu},
    {ActivationKind::gelu_tanh},
    {ActivationKind::hard_swish, 1.0F / 6, 0.5F},
    {ActivationKind::hard_swish, -2, 0.25F},
    {ActivationKind::leaky_relu, 0.1F},
    {ActivationKind::leaky_relu, -3},
    {ActivationKind::log},
    {ActivationKind::mish},
    {ActivationKind::sigmoid},
    {ActivationKind::silu},
    {ActivationKind::silu, 1.702F},
    {ActivationKind::softplus},
    {ActivationKind::softsign},
    {ActivationKind::sqrt},
    {ActivationKind::tanh},
    {ActivationKind::threshold, 0.5F},
};

/// Within 2e-6 * max(1, |y|); infinities and NaN are those expected.
bool is_right(float got, float want) {
    return within(2e-6F * std::max(1.0F, std::abs(want)))(got, want);
}

/// Floats of every exponent and sign, a dense range about zero, and what has no number.
std::vector<float> arguments() {
    using Limits = std::numeric_limits<float>;
    std::vector<float> values = {0.0F,
                                 -0.0F,
                                 Limits::infinity(),
                                 -Limits::infinity(),
                                 Limits::quiet_NaN(),
                                 Limits::max(),
                                 Limits::lowest(),
                                 Limits::min(),
                                 Limits::denorm_min(),
                                 88.72F,
                                 88.73F,
                                 -87.3F,
                                 -87.4F,
                                 -103.9F,
                                 -104.1F};
    constexpr std::uint64_t step = 65537;  // coprime to the place of every bit
    for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += step) {
        values.push_back(std::bit_cast<float>(std::uint32_t(bits)));
    }
    for (int i = -60000; i <= 60000; ++i) {
        values.push_back(float(i) * 1.7e-3F);
    }
    return values;
}

template <typename Test>
void for_each_activation(Test test) {
    for_each_kernel(Algorithm::activation, [&](const Kernel& kernel) {
        int tested = 0;
        for (const Activation& activation : parameters) {
            if (kernel.as<ActivationInfo>().operation == activation.kind) {
                INFO(kernel.name << ", alpha " << activation.alpha << ", beta " << activation.beta);
                test(kernel, activation);
                ++tested;
            }
        }
        INFO(kernel.name);
        CHECK(tested > 0);
    });
}

int call_activation(const Kernel& kernel, const Activation& activation, Strided& input,
                    Strided& output) {
    View in = input.view(), out = output.view();
    return call(
        kernel,
        ActivationCall<halide_buffer_t*>{
            .input = in, .alpha = activation.alpha, .beta = activation.beta, .output = out});
}

}  // namespace

TEST_CASE("activations are right to 2e-6 over all floats, infinities and NaN") {
    const std::vector<float> values = arguments();
    const int count = int(values.size());
    for_each_activation([&](const Kernel& kernel, const Activation& activation) {
        const Tensor expected = reference::activation(activation, {{1, count}, values});
        Strided input({{count, 1}, {1, 0}, {1, 0}, {1, 0}}, 0);
        Strided output({{count, 1}, {1, 0}, {1, 0}, {1, 0}}, output_margin);
        input.fill([&](const Index& at) { return values[std::size_t(at[0])]; });
        REQUIRE(call_activation(kernel, activation, input, output) == 0);
        int worst = -1;
        for (int i = 0; i < count && worst < 0; ++i) {
            worst = is_right(output.at({i, 0, 0, 0}), expected.data[std::size_t(i)]) ? -1 : i;
        }
        const std::size_t at = std::size_t(std::max(worst, 0));
        INFO("of " << values[at] << ": " << output.at({int(at), 0, 0, 0}) << ", not "
                   << expected.data[at]);
        CHECK(worst == -1);
        CHECK(output.wrong([&](const Index& i) { return expected.data[std::size_t(i[0])]; },
                           is_right) == 0);
    });
}

TEST_CASE("activations take any strides, and write their output alone") {
    std::mt19937 rng(20261130);
    for_each_activation([&](const Kernel& kernel, const Activation& activation) {
        for (const int channels : {1, 3, 15, 16, 17, 33}) {
            const Extents plain = {
                {channels, 1}, {5, channels}, {3, 5 * channels}, {2, 15 * channels}};
            const Extents gaps = {
                {channels, 1}, {5, channels + 3}, {3, 5 * channels + 20}, {2, 16 * channels + 90}};
            const Extents turned = {{channels, 30}, {5, 1}, {3, 5}, {2, 15}};
            for (const Extents& from : {plain, gaps, turned}) {
                INFO(channels << " channels");
                Strided input(from, 0), output(gaps, output_margin);
                input.fill([&](const Index&) { return random_values(rng, 1, 0, 3)[0]; });
                REQUIRE(call_activation(kernel, activation, input, output) == 0);
                CHECK(
                    output.wrong(
                        [&](const Index& at) {
                            return reference::activation(activation, {{1}, {input.at(at)}}).data[0];
                        },
                        is_right) == 0);
            }
        }
    });
}
