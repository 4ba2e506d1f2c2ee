#include <catch2/catch.hpp>

#include <algorithm>
#include <initializer_list>
#include <random>
#include <vector>

#include "kernels/conv_problem.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Tensor;

namespace {

bool serves(const Kernel& kernel, const ConvCase& c) {
    const bool square = c.kernel[0] == c.kernel[1];
    const DirectInfo& info = kernel.as<DirectInfo>();
    return (c.is_plain() || info.channels == 0) &&
           (info.channels == 0 || info.channels == c.channels) &&
           (info.kernel == 0 || (square && info.kernel == c.kernel[0]));
}

// The network's own input has no lanes beside its channels: a channel_stride off the vector width
// must work.
int draw_stride(const Kernel& kernel, int channels, std::mt19937& rng) {
    return kernel.as<DirectInfo>().channels || rng() % 2 ? channels
                                                         : round_up(channels, kernel.lanes);
}

// Channels beyond the last are zero; a position whose gate is closed keeps what it held.
void check_output(const ConvProblem& p, const Strided& got, const Tensor* gate, bool skips) {
    const Tensor want =
        reference::gated(p.conv, p.products, gate, p.has_residual ? &p.residual : nullptr);
    const int outputs = p.shape.outputs, maps = gate ? int(gate->shape[1]) : 1;
    const auto expected = [&](const Index& at) {
        const int pixel = at[2] * p.width + at[1], size = p.height * p.width;
        const int map = std::min(at[0] / (outputs / maps), maps - 1);
        if (skips && gate->data[std::size_t(map * size + pixel)] == 0) {
            return untouched;
        }
        return at[0] < outputs ? want.data[std::size_t(at[0] * size + pixel)]
                               : output_of_zero(p.conv);
    };
    const int taps = p.shape.channels * p.shape.kernel[0] * p.shape.kernel[1];
    CHECK(got.wrong(expected, within(1e-6f * float(taps) + 1e-5f)) == 0);
}

void check_dense(ConvProblem p, const Kernel& kernel, std::mt19937& rng) {
    p.conv.activation = draw_activation(rng);
    const PackedConv packed(p, kernel, draw_stride(kernel, p.shape.channels, rng));
    const Tensor none = make_gate(p, 1, 0, rng);
    Strided output = packed.output();
    packed.run(none, -1, list_positions(p, none, -1), 0, packed.output_stride(), output);
    check_output(p, output, nullptr, false);
}

void check_element_gates(const ConvProblem& p, const Kernel& kernel, std::mt19937& rng) {
    const PackedConv packed(p, kernel, draw_stride(kernel, p.shape.channels, rng));
    for (double density : {0.0, -1.0, 0.1, 0.5, 1.0}) {
        INFO("density " << density);
        const Tensor gate = make_gate(p, p.shape.outputs, density, rng);
        Strided output = packed.output();
        packed.run(gate, -1, list_positions(p, gate, -1), 0, packed.output_stride(), output);
        check_output(p, output, &gate, false);
    }
}

// One list and one call a map, over the map's own output channels.
void check_position_gates(const ConvProblem& p, const Kernel& kernel, int maps, std::mt19937& rng) {
    const PackedConv packed(p, kernel, draw_stride(kernel, p.shape.channels, rng));
    const int each = maps == 1 ? packed.output_stride() : p.shape.outputs / maps;
    for (double density : {0.0, -1.0, 0.1, 0.5, 1.0}) {
        INFO("density " << density << ", maps " << maps);
        const Tensor gate = make_gate(p, maps, density, rng);
        Strided output = packed.output();
        for (int map = 0; map < maps; ++map) {
            packed.run(gate, map, list_positions(p, gate, map), map * each, each, output);
        }
        check_output(p, output, &gate, true);
    }
}

// A gate map a channel block: two blocks, and three of two tiles each.
void check_group_gates(ConvCase c, const Kernel& kernel, std::mt19937& rng) {
    for (const auto& [maps, tiles] : {std::pair{2, 1}, {3, 2}}) {
        c.outputs = maps * tiles * kernel.block();
        if (c.outputs % c.groups != 0) {
            continue;
        }
        INFO(to_string(c));
        check_position_gates(make_problem(c, rng), kernel, maps, rng);
    }
}

void check_all_forms(const ConvCase& c, std::mt19937& rng) {
    INFO(to_string(c));
    const ConvProblem p = make_problem(c, rng);
    const auto each = [&](GateForm gate, auto check) {
        for_each_kernel(Algorithm::gated_conv, gate, [&](const Kernel& kernel) {
            if (serves(kernel, c)) {
                INFO(kernel.name);
                check(kernel);
            }
        });
    };
    each(GateForm::none, [&](const Kernel& k) { check_dense(p, k, rng); });
    each(GateForm::element, [&](const Kernel& k) { check_element_gates(p, k, rng); });
    each(GateForm::position, [&](const Kernel& k) { check_position_gates(p, k, 1, rng); });
    each(GateForm::position, [&](const Kernel& k) { check_group_gates(c, k, rng); });
}

void check_all_sizes(int channels, std::initializer_list<int> kernels) {
    std::mt19937 rng(20261124 + channels);
    // Many positions or many channels: both at once show nothing new, for minutes under QEMU.
    const auto largest = channels < 64 ? std::pair{32, 32} : std::pair{11, 13};
    for (const auto& [height, width] : {std::pair{1, 1}, {7, 5}, largest}) {
        for (int k : kernels) {
            for (int stride : {1, 2}) {
                const int pad = k / 2;
                check_all_forms({channels,
                                 channels,
                                 height,
                                 width,
                                 {k, k},
                                 {stride, stride},
                                 {pad, pad, pad, pad}},
                                rng);
            }
        }
    }
}

}  // namespace

// A case a channel count, and one for the costliest window, so that ctest runs them side by side.
TEMPLATE_TEST_CASE_SIG("convolution kernels equal the scalar reference, channels", "",
                       ((int channels), channels), 1, 3, 15, 16, 17, 32, 64, 100) {
    check_all_sizes(channels, {1, 3, 5});
}

TEMPLATE_TEST_CASE_SIG("7x7 convolution kernels equal the scalar reference, channels", "",
                       ((int channels), channels), 1, 3, 15, 16, 17, 32, 64, 100) {
    check_all_sizes(channels, {7});
}

TEST_CASE("convolution kernels equal the scalar reference on layers of their own channels") {
    std::mt19937 rng(21);
    const auto each = [&](GateForm gate, auto check) {
        for_each_kernel(Algorithm::gated_conv, gate, [&](const Kernel& kernel) {
            const auto& info = kernel.as<DirectInfo>();
            if (info.channels == 0) {
                return;
            }
            const int k = info.kernel, pad = k / 2, outputs = 2 * kernel.block() - 3;
            for (int stride : {1, 2}) {
                const ConvCase c{
                    info.channels,       outputs, k + 3, k + 8, {k, k}, {stride, stride},
                    {pad, pad, pad, pad}};
                INFO(kernel.name << ": " << to_string(c));
                check(make_problem(c, rng), kernel);
            }
        });
    };
    each(GateForm::none, [&](const auto& p, const Kernel& k) { check_dense(p, k, rng); });
    each(GateForm::element,
         [&](const auto& p, const Kernel& k) { check_element_gates(p, k, rng); });
    each(GateForm::position,
         [&](const auto& p, const Kernel& k) { check_position_gates(p, k, 1, rng); });
}

// A NaN or an infinity in the input, the weights, the bias, the gate or the residual, behind every
// clamp. Whole blocks of outputs: in lanes beside them, infinities meet weights of zero.
TEST_CASE("convolution kernels give NaN and infinities where the scalar reference does") {
    std::mt19937 rng(20);
    for (const GateForm form : {GateForm::none, GateForm::position, GateForm::element}) {
        for_each_kernel(Algorithm::gated_conv, form, [&](const Kernel& kernel) {
            const DirectInfo& info = kernel.as<DirectInfo>();
            const int channels = info.channels ? info.channels : 5;
            const int k = info.kernel ? info.kernel : 3, pad = channels > 64 ? 0 : 1;
            for (int round = 0; round < (channels > 64 ? 2 : 6); ++round) {
                const int pads = round % 2 ? pad : 0;
                const ConvCase c = {channels, kernel.block(),       k + 6, k + 4, {k, k},
                                    {1, 1},   {pads, pads, pads, 0}};
                ConvProblem p = make_problem(c, rng);
                spoil(p, rng);
                INFO(kernel.name << ": " << to_string(c));
                const bool is_gated = form != GateForm::none;
                p.conv.activation = is_gated ? std::nullopt : draw_activation(rng);
                const int maps = form == GateForm::element ? p.shape.outputs : 1;
                // Closed elements are multiplied by zero where all are computed.
                Tensor gate = make_gate(p, maps, form == GateForm::position ? 0.6 : 1, rng);
                spoil(gate.data, rng);
                const int map = form == GateForm::position ? 0 : -1;
                const PackedConv packed(p, kernel, channels);
                Strided output = packed.output();
                packed.run(gate, map, list_positions(p, gate, map), 0, packed.output_stride(),
                           output);
                check_output(p, output, is_gated ? &gate : nullptr, form == GateForm::position);
            }
        });
    }
}

TEST_CASE("convolution kernels take groups and dilation") {
    std::mt19937 rng(6);
    for (const auto& [groups, inputs, outputs] :
         {std::array{2, 8, 16}, {3, 1, 1}, {4, 4, 4}, {5, 3, 7}, {17, 1, 2}, {2, 20, 20}}) {
        ConvCase c{groups * inputs, groups * outputs, 9, 8, {3, 3}, {1, 1}, {1, 1, 1, 1}};
        c.groups = groups;
        check_all_forms(c, rng);
        c.kernel = {1, 1};
        c.pads = {0, 0, 0, 0};
        check_all_forms(c, rng);
        c.kernel = {2, 5};
        c.stride = {2, 1};
        c.dilation = {3, 2};
        c.pads = {2, 1, 0, 3};
        check_all_forms(c, rng);
    }
    for (const int channels : {1, 3, 20}) {
        for (const auto& dilation : {std::array{2, 2}, {1, 3}, {4, 1}}) {
            ConvCase c{channels, 10, 9, 12, {3, 3}, {1, 2}, {2, 3, 1, 2}};
            c.dilation = dilation;
            check_all_forms(c, rng);
        }
    }
}

TEST_CASE("convolution kernels take windows, strides and pads that differ by side") {
    std::mt19937 rng(5);
    for (int channels : {3, 16, 20}) {
        for (int outputs : {1, 10, 33}) {
            check_all_forms({channels, outputs, 9, 12, {3, 5}, {2, 1}, {0, 3, 1, 2}}, rng);
            check_all_forms({channels, outputs, 6, 4, {1, 2}, {1, 3}, {0, 0, 0, 0}}, rng);
            check_all_forms({channels, outputs, 8, 9, {3, 3}, {1, 2}, {0, 1, 2, 0}}, rng);
        }
    }
}
