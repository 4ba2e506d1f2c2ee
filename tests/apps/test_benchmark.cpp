#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "benchmark/agreement.h"
#include "benchmark/conv_case.h"
#include "benchmark/dense_kernel.h"
#include "benchmark/kernel_times.h"
#include "benchmark/layer_times.h"
#include "benchmark/network_times.h"
#include "benchmark/options.h"
#include "benchmark/peak.h"
#include "benchmark/process.h"
#include "benchmark/statistics.h"
#include "kernels/cpu.h"
#include "kernels/layer.h"
#include "reference/operators.h"

using namespace sluice;
using namespace sluice::benchmark;
using kernel_test::square_layer;

namespace {

Result<Options> parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "benchmark");
    return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

std::string fault(std::vector<const char*> arguments) {
    return parse(std::move(arguments)).status().message();
}

}  // namespace

TEST_CASE("percentiles are linear between neighbours") {
    // numpy.percentile([1, 2, 4, 8, 16], [0, 10, 50, 90, 100])
    const std::vector<double> sorted = {1, 2, 4, 8, 16};
    CHECK(percentile(sorted, 0) == 1);
    CHECK(percentile(sorted, 10) == Approx(1.4));
    CHECK(percentile(sorted, 50) == 4);
    CHECK(percentile(sorted, 90) == Approx(12.8));
    CHECK(percentile(sorted, 100) == 16);

    const std::vector<double> one = {3};
    CHECK(percentile(one, 90) == 3);
    const Times times = summarise(std::vector<double>{16, 1, 8, 2, 4});
    CHECK(times.median_ms == 4);
    CHECK(times.p10_ms == Approx(1.4));
    CHECK(times.p90_ms == Approx(12.8));
    CHECK(times.runs == 5);
    CHECK(summarise(std::vector<double>{1, 2}).median_ms == 1.5);
}

TEST_CASE("a million MACs a millisecond are two GFLOPS") { CHECK(gflops(1e6, 1) == 2.0); }

TEST_CASE("scores agree within a thousandth of the largest") {
    const std::vector<float> reference = {-20, 1, 0};
    CHECK(find_disagreement(reference, reference, "r").empty());
    CHECK(find_disagreement(std::vector<float>{-20, 1, 0.019f}, reference, "r").empty());
    const std::string far = find_disagreement(std::vector<float>{-20, 1, 0.021f}, reference, "r");
    CHECK(far == "wrong answer: differs by 0.001 of the largest score from r");
    CHECK(find_disagreement(std::vector<float>{-20, 1}, reference, "r") ==
          "wrong answer: 2 scores, and r gives 3");
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK_FALSE(find_disagreement(std::vector<float>{-20, nan, 0}, reference, "r").empty());
    CHECK_FALSE(find_disagreement(reference, std::vector<float>{-20, 1, nan}, "r").empty());
}

TEST_CASE("files of one network share its name") {
    CHECK(network_name("resnet20_lccl_cifar10") == "resnet20_cifar10");
    CHECK(network_name("resnet20_dense_cifar10") == "resnet20_cifar10");
    CHECK(network_name("resnet18_lccl_d50_synthetic") == "resnet18");
    CHECK(network_name("resnet18_dense_synthetic") == "resnet18");
    CHECK(network_name("densenet_d2x") == "densenet_d2x");
}

TEST_CASE("a step's shape gives its convolution") {
    const Result<ConvShape> plain = parse_conv_shape("16x32x30 -> 24x32x30, 3x3");
    REQUIRE(plain.ok());
    CHECK(plain.value().inputs == 16);
    CHECK(plain.value().outputs == 24);
    CHECK(plain.value().height == 32);
    CHECK(plain.value().width == 30);
    CHECK(plain.value().kernel == 3);
    CHECK(plain.value().stride == 1);
    const Result<ConvShape> strided = parse_conv_shape("3x224x224 -> 64x112x112, 7x7 by 2x2");
    REQUIRE(strided.ok());
    CHECK(strided.value().stride == 2);
    CHECK(strided.value().kernel == 7);
    for (const char* other :
         {"", "[10]", "64 -> 10", "8x8x8 -> 8x8x8, 3x1", "8x8x8 -> 8x8x8, 3x3 by",
          "8x8x8 -> 8x4x8, 3x3 by 2x1", "8x8x8 -> 8x8x8, 3x3 and more"}) {
        INFO(other);
        CHECK_FALSE(parse_conv_shape(other).ok());
    }
}

TEST_CASE("command lines of the benchmark") {
    const Result<Options> networks =
        parse({"--model", "a.onnx", "b.onnx", "--peers", "onnxruntime,ncnn", "--threads", "2",
               "--batch", "8", "--layers", "--no-pin", "--json", "o.json"});
    REQUIRE(networks.ok());
    CHECK(networks.value().command == Command::networks);
    CHECK(networks.value().models.size() == 2);
    CHECK(networks.value().peers == std::vector<std::string>{"onnxruntime", "ncnn"});
    CHECK(networks.value().threads == 2);
    CHECK(networks.value().batch == 8);
    CHECK(networks.value().layers);
    CHECK_FALSE(networks.value().pins);
    CHECK(networks.value().json == "o.json");
    CHECK_FALSE(networks.value().html.has_value());

    const Result<Options> kernels =
        parse({"kernels", "--family", "gated_conv", "--shapes", "56x48x64,7x7x512", "--densities",
               "1.0,0.25", "--seconds", "0.5", "--target", "avx2"});
    REQUIRE(kernels.ok());
    const KernelQuestion& question = kernels.value().kernels;
    CHECK(kernels.value().command == Command::kernels);
    CHECK(kernels.value().target == "avx2");
    CHECK(question.families == std::vector<Family>{gated_conv});
    CHECK(
        parse({"kernels", "--family", "gated_winograd,dense_winograd"}).value().kernels.families ==
        std::vector<Family>{gated_winograd, dense_winograd});
    CHECK(question.shapes == std::vector<LayerShape>{{56, 48, 64}, {7, 7, 512}});
    CHECK(question.densities == std::vector<double>{1.0, 0.25});
    CHECK(question.seconds == 0.5);
    CHECK(parse({"worker"}).value().command == Command::worker);
    CHECK(parse({"--help"}).value().message->find("--peers") != std::string::npos);
}

TEST_CASE("wrong command lines are named") {
    CHECK(fault({}).find("no model is named; give --model") != std::string::npos);
    CHECK(fault({"--model", "m", "--peers", "tensorflow"}).find("--peers") != std::string::npos);
    CHECK(fault({"--model", "m", "--threads", "0"}).find("--threads") != std::string::npos);
    CHECK(fault({"--model", "m", "--batch", "x"}).find("--batch") != std::string::npos);
    CHECK(fault({"kernels", "--family", "softmax"}).find("--family") != std::string::npos);
    for (const char* shape : {"56x56", "0x1x1", "56x56x64x2", "axbxc", "9999999x1x1"}) {
        CHECK(fault({"kernels", "--shapes", shape}).find(shape) != std::string::npos);
    }
    for (const char* density : {"0", "1.1", "-1", "x", "nan"}) {
        CHECK(fault({"kernels", "--densities", density}).find(density) != std::string::npos);
    }
    CHECK(fault({"--model", "m", "--frobnicate"}).find("--frobnicate") != std::string::npos);
}

TEST_CASE("the benchmark's scalar convolution is the reference's") {
    for (const int stride : {1, 2}) {
        const ConvShape shape{5, 7, 3, 4, 3, stride};
        const ConvCase values(shape, 7);
        const int rows = shape.padded_height(), columns = shape.padded_width();
        reference::Tensor x{{1, 3, rows, columns}, std::vector<float>(3 * rows * columns)};
        for (int i = 0; i < rows * columns * 3; ++i) {
            x.data[i % 3 * rows * columns + i / 3] = values.input()[i];
        }
        FusedConv conv;
        auto weights = std::make_shared<Constant>();
        std::vector<float> kchw(4 * 3 * 9);
        for (int i = 0; i < 4 * 3 * 9; ++i) {
            const int k = i % 4, c = i / 4 % 3, tap = i / 12;
            kchw[(k * 3 + c) * 9 + tap] = values.weights()[i];
        }
        weights->shape = {4, 3, 3, 3};
        weights->data = kchw;
        conv.weights = weights;
        conv.bias = values.bias();
        conv.scale.assign(4, 1);
        conv.shift.assign(4, 0);
        conv.act.low = 0;
        conv.stride[0] = conv.stride[1] = stride;
        conv.gate = GateForm::position;
        const reference::Tensor gate{{1, 1, 5, 7}, values.gate()};
        const reference::Tensor zeros{{1, 4, 5, 7}, std::vector<float>(4 * 35)};
        const reference::Tensor expected = reference::fused_conv(conv, x, &gate, &zeros);
        const std::vector<float> found = values.compute(true);
        for (int i = 0; i < 35 * 4; ++i) {
            CHECK(found[i] == Approx(expected.data[i % 4 * 35 + i / 4]).margin(1e-5));
        }
        // The border is zero.
        CHECK(values.input()[0] == 0);
        CHECK(values.input().back() == 0);
    }
}

TEST_CASE("positions are drawn without repetition, in order") {
    const std::vector<int> drawn = draw_positions(100, 37, 1);
    REQUIRE(drawn.size() == 37);
    for (std::size_t i = 1; i < drawn.size(); ++i) {
        CHECK(drawn[i - 1] < drawn[i]);
    }
    CHECK(drawn.front() >= 0);
    CHECK(drawn.back() < 100);
    CHECK(draw_positions(100, 37, 2) != drawn);
    CHECK(draw_positions(5, 5, 1) == std::vector<int>{0, 1, 2, 3, 4});
}

TEST_CASE("tiles are drawn whole, and those of a ragged edge overlap") {
    // 6 rows and 9 columns: tiles from rows 0 and 2, and from columns 0, 4 and 5.
    const ConvShape shape{6, 9, 16, 16};
    REQUIRE(count_tiles(shape, 4) == 6);
    const Open all = all_open(shape, 4);
    CHECK(all.tiles == std::vector<int>{0, 1, 2, 3, 4, 5});
    CHECK(all.positions.size() == 54);
    CHECK(draw_tiles(shape, 4, 6, 1).positions == all.positions);
    const std::vector<int> first_positions = {0, 4, 5, 18, 22, 23};

    for (const int count : {1, 2, 5}) {
        const Open some = draw_tiles(shape, 4, count, 1);
        CHECK(some.tiles.size() == std::size_t(count));
        std::set<int> covered;
        for (const int tile : some.tiles) {
            CHECK(std::count(all.tiles.begin(), all.tiles.end(), tile) == 1);
            const int first = first_positions[std::size_t(tile)];
            for (const int row : {0, 9, 18, 27}) {
                for (int column = 0; column < 4; ++column) {
                    covered.insert(first + row + column);
                }
            }
        }
        CHECK(some.positions == std::vector<int>(covered.begin(), covered.end()));
    }

    CHECK(count_tiles({3, 9, 16, 16}, 4) == 0);
    CHECK(count_tiles({3, 9, 16, 16}, 2) == 10);
    CHECK(all_open({3, 9, 16, 16}, 0).tiles.empty());
    CHECK(all_open({3, 9, 16, 16}, 0).positions.size() == 27);
}

TEST_CASE("Winograd's call computes its tiles, and finds a wrong answer") {
    const Result<const Target*> target = choose_target("");
    REQUIRE(target.ok());
    // 12 channels are padded to the 16 of the kernels.
    for (const int channels : {16, 12}) {
        const ConvCase values({6, 9, channels, channels}, 1);
        for (const Family& family : {dense_winograd, gated_winograd}) {
            const bool gated = family == gated_winograd;
            const Kernel* kernel = find_conv(Algorithm::winograd_conv, family.gate, *target.value(),
                                             square_layer(3, 16, 16));
            REQUIRE(kernel != nullptr);
            const Open open = gated ? draw_tiles(values.shape(), side_of(*kernel), 2, 1)
                                    : all_open(values.shape(), side_of(*kernel));
            ConvCall call(values, *kernel, open);
            std::vector<float> expected = values.compute(gated);
            CHECK(std::isinf(call.difference(expected)));
            REQUIRE(call.run() == 0);
            // Ten times what the direct sum differs by.
            CHECK(call.difference(expected) < 1e-4);
            CHECK(call.difference(values.compute(!gated)) > 0.01);
            expected[std::size_t(open.positions.back() * channels + channels - 1)] += 100;
            CHECK(call.difference(expected) > 0.1);
        }
    }
}

TEST_CASE("a layer without its gate is computed as a plan computes it") {
    const Result<const Target*> target = choose_target("");
    REQUIRE(target.ok());
    const auto family = [&](const ConvShape& shape) {
        const Result<const Kernel*> kernel = plan_dense_kernel(shape, *target.value());
        REQUIRE(kernel.ok());
        return Family{kernel.value()->algorithm, kernel.value()->gate};
    };
    const Kernel* winograd = find_conv(Algorithm::winograd_conv, GateForm::none, *target.value(),
                                       square_layer(3, 16, 16));
    REQUIRE(winograd != nullptr);
    // All 64 positions of four tiles: only a break-even of 1 says that Winograd never pays.
    CHECK(family({8, 8, 16, 16}) ==
          (winograd->as<WinogradInfo>().break_even < 1 ? dense_winograd : dense_conv));
    CHECK(family({8, 8, 16, 16, 3, 2}) == dense_conv);
    CHECK(family({8, 8, 16, 16, 1, 1}) == dense_conv);
    CHECK(family({3, 8, 16, 16}) == dense_conv);
    CHECK(family({8, 8, 40, 40}) == dense_conv);  // no Winograd kernel has these channels
}

TEST_CASE("a kernel's call finds a wrong answer") {
    const Result<const Target*> target = choose_target("");
    REQUIRE(target.ok());
    const ConvCase values({5, 7, 17, 20}, 1);
    for (const Family& family : {dense_conv, gated_conv}) {
        const bool gated = family == gated_conv;
        const Kernel* kernel =
            find_conv(Algorithm::gated_conv, family.gate, *target.value(), square_layer(3, 17, 32));
        REQUIRE(kernel != nullptr);
        const Open open = gated ? Open{{0, 3, 34}, {}} : all_open(values.shape(), 0);
        ConvCall call(values, *kernel, open);
        std::vector<float> expected = values.compute(gated);
        CHECK(std::isinf(call.difference(expected)));  // nothing was written yet
        REQUIRE(call.run() == 0);
        CHECK(call.difference(expected) < 1e-5);
        expected[3 * 20 + 19] += 100;
        CHECK(call.difference(expected) > 0.1);
    }
}

TEST_CASE("kernel rows: specialised beside generic, exact densities, departures") {
    const Result<const Target*> target = choose_target("");
    REQUIRE(target.ok());
    const KernelQuestion question{
        {dense_conv, gated_conv}, {{6, 7, 16}, {3, 4, 24}}, {1.0, 0.5}, 0.01};
    const Result<std::vector<KernelResult>> rows = time_kernels(
        question, *target.value(), [](const std::vector<KernelResult>&) { return Status{}; });
    REQUIRE(rows.ok());
    // Of each shape: dense and gated, specialised and generic; 24 channels have no special one.
    REQUIRE(rows.value().size() == 2 + 4 + 2 + 3);
    for (const KernelResult& row : rows.value()) {
        INFO(row.kernel << " " << row.channels << " " << row.density);
        if (row.channels == 24 && !row.times) {
            CHECK(row.problem == "generic only");
            continue;
        }
        CHECK(row.problem.empty());
        REQUIRE(row.times.has_value());
        CHECK(row.times->median_ms > 0);
        CHECK(row.active == std::llround(row.density * row.height * row.width));
        CHECK(row.departure.has_value() == (row.density < 1));
        CHECK(row.macs() == 9.0 * row.channels * row.channels * double(row.active));
    }
}

TEST_CASE("Winograd's rows stand beside direct ones on the same positions") {
    const Result<const Target*> target = choose_target("");
    REQUIRE(target.ok());
    KernelQuestion question;
    question.shapes = {{8, 12, 16}, {3, 4, 16}, {8, 8, 24}};
    question.densities = {1.0, 0.5};
    question.seconds = 0.01;
    const Result<std::vector<KernelResult>> rows = time_kernels(
        question, *target.value(), [](const std::vector<KernelResult>&) { return Status{}; });
    REQUIRE(rows.ok());
    int compared = 0, on_tiles = 0;
    for (const KernelResult& row : rows.value()) {
        INFO(row.kernel << " " << row.height << " " << row.density << " " << row.tiles);
        if (!row.times) {
            const bool is_small = row.height == 3;
            CHECK(row.problem == (!row.is_winograd() ? "generic only"
                                  : is_small         ? "smaller than a tile"
                                                     : "direct only"));
            continue;
        }
        CHECK(row.problem.empty());
        // Six tiles of 16 positions, which do not overlap.
        CHECK(row.active == std::llround(row.density * row.height * row.width));
        if (row.tiles > 0) {
            CHECK(row.height == 8);
            CHECK(row.active == 16 * row.tiles);
            CHECK(row.side == 4);
            on_tiles += !row.is_winograd();
        }
        CHECK(row.speed_up.has_value() == row.is_winograd());
        if (row.speed_up) {
            ++compared;
            // So many positions in a tile's time: 16 of them in 16 / speed-up.
            CHECK(*row.break_even == Approx(1 / *row.speed_up));
        }
    }
    CHECK(compared == 3);  // dense, and gated at two densities
    CHECK(on_tiles == 2);
}

TEST_CASE("the core's peak is that of its FMA units") {
    const double peak = measure_fma_peak();
    // Under an emulator on a busy machine, and four FMAs of 16 lanes a cycle at 10 GHz.
    CHECK(peak > 0.001);
    CHECK(peak < 1280);
    CHECK(measure_read_gbps(std::size_t{1} << 18) > 0.01);
}

TEST_CASE("a child's end is described") {
    Result<Process> silent = Process::start({"sleep", "60"});
    REQUIRE(silent.ok());
    CHECK(silent->read_line(std::chrono::seconds(0)).status().message() ==
          "did not answer within 0 s");
    Result<Process> ends = Process::start({"sh", "-c", "echo one; exit 7"});
    REQUIRE(ends.ok());
    const std::chrono::seconds limit(20);
    CHECK(ends->read_line(limit).value() == "one");
    CHECK(ends->read_line(limit).status().message() == "its process ended with status 7");
    Result<Process> killed = Process::start({"sh", "-c", "kill -ILL $$"});
    REQUIRE(killed.ok());
    CHECK(killed->read_line(limit).status().message() ==
          "its process was ended by signal Illegal instruction");
    Result<Process> missing = Process::start({"/no/such/program"});
    REQUIRE(missing.ok());
    CHECK(missing->read_line(limit).status().message() == "its program cannot be executed");
    Result<Process> echo = Process::start({"cat"});
    REQUIRE(echo.ok());
    REQUIRE(echo->write_line("there and back").ok());
    CHECK(echo->read_line(limit).value() == "there and back");
    CHECK(echo->peak_rss_mb() > 0);
    CHECK(echo->peak_rss_mb() < 100);
}
