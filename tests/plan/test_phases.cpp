#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <random>
#include <tuple>
#include <utility>

#include "kernels/winograd_reference.h"
#include "plan/conv/winograd_weights.h"
#include "plan/winograd_plans.h"

using namespace sluice;
using namespace sluice::plan_test;

TEST_CASE(
    "Winograd's weights beside a direct kernel's taps leave those, and are the other points") {
    std::mt19937 rng(20261126);
    std::uniform_real_distribution<float> draw(-1, 1);
    constexpr std::int64_t channels = 5, outputs = 16, lanes = 8, channel_stride = 8, taps = 9;
    constexpr std::int64_t side = 2, along = 4, matrices = taps + along * along - 4;
    std::vector<float> weights(std::size_t(outputs * channels * taps));
    std::generate(weights.begin(), weights.end(), [&] { return draw(rng); });
    constexpr float untouched = 12345;
    std::vector<float> packed(std::size_t(outputs * channel_stride * matrices), untouched);
    transform_weights({weights.data(), outputs, channels},
                      {side, channel_stride, outputs, lanes, true}, packed.data());
    for (std::int64_t k = 0; k < outputs; ++k) {
        for (std::int64_t c = 0; c < channels; ++c) {
            const auto points = kernel_test::transformed(
                &weights[std::size_t((k * channels + c) * taps)], int(side));
            std::vector<double> want(taps, untouched);
            for (std::int64_t point = 1; point + 1 < along * along; ++point) {
                if (point != along - 1 && point != along * (along - 1)) {
                    want.push_back(points[std::size_t(point)]);
                }
            }
            REQUIRE(std::int64_t(want.size()) == matrices);
            for (std::int64_t number = 0; number < matrices; ++number) {
                const std::int64_t line = (k / lanes * matrices + number) * channel_stride + c;
                CHECK(std::abs(double(packed[std::size_t(line * lanes + k % lanes)]) -
                               want[std::size_t(number)]) <= 4e-7);
            }
        }
    }
}

TEST_CASE("Winograd's weights are G w G^T, zeros beyond the channels and outputs") {
    std::mt19937 rng(20261124);
    std::uniform_real_distribution<float> draw(-1, 1);
    constexpr std::size_t margin = 64;
    constexpr float untouched = 12345;
    const std::pair<std::int64_t, std::int64_t> sizes[] = {{2, 3}, {4, 3}, {4, 2}, {3, 4}};
    const std::int64_t forms[][5] = {// outputs there, channels, channel_stride, outputs, lanes
                                     {16, 16, 16, 16, 16}, {13, 5, 8, 16, 8},  {40, 17, 32, 48, 16},
                                     {64, 16, 16, 64, 4},  {50, 3, 16, 64, 8}, {1, 1, 4, 4, 4},
                                     {6, 7, 8, 24, 8},     {3, 2, 16, 20, 4}};
    for (const auto& [side, kernel] : sizes) {
        for (const auto& [there, channels, channel_stride, outputs, lanes] : forms) {
            INFO("F(" << side << ", " << kernel << "), " << there << " of " << outputs
                      << " outputs, " << channels << " of " << channel_stride << " channels, lanes "
                      << lanes);
            const std::int64_t points = (side + kernel - 1) * (side + kernel - 1);
            const std::int64_t taps = kernel * kernel;
            std::vector<float> weights(std::size_t(there * channels * taps));
            std::generate(weights.begin(), weights.end(), [&] { return draw(rng); });
            const std::size_t size = std::size_t(outputs * channel_stride * points);
            std::vector<float> packed(size + margin, untouched);
            transform_weights({weights.data(), there, channels, kernel},
                              {side, channel_stride, outputs, lanes}, packed.data());
            int wrong = 0;
            for (std::int64_t k = 0; k < outputs; ++k) {
                for (std::int64_t c = 0; c < channel_stride; ++c) {
                    const bool is_there = k < there && c < channels;
                    const auto want = is_there
                                          ? kernel_test::transformed(
                                                &weights[std::size_t((k * channels + c) * taps)],
                                                int(side), int(kernel))
                                          : std::vector<double>(std::size_t(points));
                    for (std::int64_t point = 0; point < points; ++point) {
                        const std::int64_t line = (k / lanes * points + point) * channel_stride + c;
                        const float got = packed[std::size_t(line * lanes + k % lanes)];
                        // Sums of at most 16 values of at most 1, rounded a few times.
                        const double bound = is_there ? 4e-7 : 0;
                        wrong += !(std::abs(double(got) - want[std::size_t(point)]) <= bound);
                    }
                }
            }
            CHECK(wrong == 0);
            CHECK(std::all_of(packed.begin() + std::ptrdiff_t(size), packed.end(),
                              [](float value) { return value == untouched; }));
        }
    }
}

TEST_CASE("a 3x3 layer of stride 2 is computed from the phases of its input, as it lies") {
    for (const Target* target : possible_targets()) {
        for (const bool gated : {false, true}) {
            GraphBuilder b(3);
            const ValueId x = image(b, 64, 32, 48);
            const auto halve = [&](std::int64_t outputs) {
                return b.node(Op::conv, {x, b.constant({outputs, 64, 3, 3})}, {1, outputs, 16, 24},
                              {{"pads", Shape{1, 1, 1, 1}}, {"strides", Shape{2, 2}}});
            };
            const ValueId y = halve(128);
            b.output(gated ? b.mul(y, b.relu(halve(1))) : y);
            const auto plan = checked_plan(b, *target);
            INFO(target->id << ": " << explain(*plan));
            const Steps steps = steps_of(*plan, Algorithm::winograd_conv,
                                         gated ? GateForm::position : GateForm::none);
            REQUIRE(steps.size() == 1);
            const WinogradInfo& kernel = steps[0]->kernel->as<WinogradInfo>();
            CHECK(kernel.stride == 2);
            CHECK((kernel.channels == 0 || kernel.channels == 64));
            CHECK(call_of<WinogradConvCall>(*steps[0]).channel_stride == 64);
            CHECK(steps_of(*plan, Algorithm::copy).size() == 2);  // the input's and the output's
            // Twice the extents of 16 x 24 outputs, and a halo of one pixel on all sides.
            CHECK(call_of<WinogradConvCall>(*steps[0]).input.axes[0].extent == 50 * 64);
            CHECK(call_of<WinogradConvCall>(*steps[0]).input.axes[1].extent == 34);
            CHECK(call_of<WinogradConvCall>(*steps[0]).weights.axes[1].extent == 4 * 64);
            CHECK((gated ? steps[0]->macs_per_entry : steps[0]->macs / 384) == 9LL * 64 * 128);
        }
    }
}

TEST_CASE("a picture's phases become the channels of a 7x7 layer of stride 2") {
    for (const Target* target : possible_targets()) {
        // Pixels beyond the padding belong to the phases of an odd extent.
        for (const auto& [height, width, copies] :
             {std::tuple{16, 20, true}, {17, 20, false}, {16, 21, false}}) {
            GraphBuilder b(3);
            const Shape y = {1, 64, (height + 1) / 2, (width + 1) / 2};
            b.output(b.node(Op::conv, {b.input({1, 3, height, width}), b.constant({64, 3, 7, 7})},
                            y, {{"pads", Shape{3, 3, 3, 3}}, {"strides", Shape{2, 2}}}));
            const auto plan = checked_plan(b, *target);
            INFO(target->id << ": " << explain(*plan));
            const Steps steps = steps_of(*plan, Algorithm::winograd_conv, GateForm::none);
            REQUIRE(steps.size() == (copies ? 1 : 0));
            CHECK(steps_of(*plan, Algorithm::copy).size() == (copies ? 3 : 2));
            CHECK(plan->macs == 147LL * 64 * y[2] * y[3]);
            if (copies) {
                CHECK(steps[0]->kernel->as<WinogradInfo>().taps == 4);
                CHECK(steps[0]->list.static_count == 3 * 4);
                CHECK(call_of<WinogradConvCall>(*steps[0]).input.axes[0].extent == 13 * 12);
                CHECK(call_of<WinogradConvCall>(*steps[0]).input.axes[1].extent == 11);
            }
        }
    }
}

TEST_CASE("a clamp before the residual keeps a layer of stride 2 direct, which its step says") {
    struct Halved {
        std::int64_t inputs, kernel, height, width;
    };
    for (const Target* target : possible_targets()) {
        for (const auto& [inputs, kernel, height, width] :
             {Halved{32, 3, 16, 24}, Halved{3, 7, 16, 20}}) {
            for (const bool clamped : {false, true}) {
                GraphBuilder b(3);
                const ValueId x = b.input({1, inputs, height, width});
                const Shape shape = {1, 64, height / 2, width / 2};
                const std::int64_t pad = kernel / 2;
                const ValueId y =
                    b.node(Op::conv, {x, b.constant({64, inputs, kernel, kernel})}, shape,
                           {{"pads", Shape{pad, pad, pad, pad}}, {"strides", Shape{2, 2}}});
                b.output(b.add_up(clamped ? b.clip(y, 0, 6) : y, b.input(shape)));
                const auto plan = checked_plan(b, *target);
                const std::string text = explain(*plan);
                INFO(target->id << ": " << text);
                CHECK(steps_of(*plan, Algorithm::winograd_conv, GateForm::none).size() ==
                      (clamped ? 0 : 1));
                CHECK((text.find("a clamp stands before") != std::string::npos) == clamped);
            }
        }
    }
}
