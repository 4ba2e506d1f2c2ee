#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "benchmark/agreement.h"
#include "benchmark/conv_case.h"
#include "benchmark/kernel_times.h"
#include "benchmark/layer_times.h"
#include "benchmark/network_times.h"
#include "benchmark/options.h"
#include "benchmark/peak.h"
#include "benchmark/process.h"
#include "common/layer_run.h"
#include "common/statistics.h"
#include "kernels/cpu.h"
#include "reference/operators.h"

using namespace sluice;
using namespace sluice::apps;
using namespace sluice::benchmark;

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
    // Of quantised networks within a tenth.
    const std::vector<float> rounded = {-20, 1, 1.9f}, wrong = {-20, 1, 2.1f};
    CHECK(find_disagreement(rounded, reference, "r", int8_score_tolerance).empty());
    CHECK_FALSE(find_disagreement(rounded, reference, "r").empty());
    CHECK_FALSE(find_disagreement(wrong, reference, "r", int8_score_tolerance).empty());
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
    const LayerShape shape{5, 7, 3};
    const ConvCase values(shape, 7);
    const reference::Tensor x{{1, 3, 5, 7}, values.input()};
    for (const int grid : {0, 1, 4}) {
        const Graph graph = values.graph(grid);
        const Node& layer = graph.nodes.back();
        const std::vector<float> gate =
            grid > 0 ? draw_gate(shape, grid, 2, 1) : std::vector<float>();
        const reference::Tensor gates{{1, 1, grid == 4 ? 2 : 5, grid == 4 ? 2 : 7}, gate};
        const reference::Tensor expected =
            reference::fused_conv(*layer.fused_conv, x, grid > 0 ? &gates : nullptr, nullptr);
        const std::vector<float> found = values.compute(gate, grid);
        REQUIRE(found.size() == expected.data.size());
        for (std::size_t i = 0; i < found.size(); ++i) {
            CHECK(found[i] == Approx(expected.data[i]).margin(1e-5));
        }
    }
}

TEST_CASE("gates are drawn without repetition, and govern squares of outputs") {
    // 6 rows and 9 columns: two by three squares of four, of which the last are cut off.
    const LayerShape shape{6, 9, 16};
    CHECK(count_squares(shape, 1) == 54);
    CHECK(count_squares(shape, 4) == 6);
    CHECK(count_squares({3, 9, 16}, 2) == 10);
    const auto active = [](const std::vector<float>& gate) {
        return std::count_if(gate.begin(), gate.end(), [](float value) { return value > 0; });
    };
    for (const int count : {1, 2, 6}) {
        CHECK(active(draw_gate(shape, 4, count, 1)) == count);
    }
    CHECK(draw_gate(shape, 1, 20, 1) != draw_gate(shape, 1, 20, 2));
    CHECK(count_active(shape, draw_gate(shape, 1, 20, 1), 1) == 20);
    CHECK(count_active(shape, draw_gate(shape, 4, 6, 1), 4) == 54);
    const std::vector<float> corner = {0, 0, 0, 0, 0, 1};
    CHECK(count_active(shape, corner, 4) == 2);
    const std::vector<float> first = {1, 0, 0, 0, 0, 0};
    CHECK(count_active(shape, first, 4) == 16);
}

TEST_CASE("a layer's run gives the scalar answer, and a wrong one is found") {
    const Result<const Target*> target = choose_target("");
    REQUIRE(target.ok());
    // 12 channels have lanes beside them.
    for (const int channels : {16, 12}) {
        const LayerShape shape{6, 9, channels};
        for (const WayId way : {WayId::direct, WayId::winograd, WayId::depthwise}) {
            const ConvCase values(
                shape, 1, way == WayId::depthwise ? LayerKind::depthwise : LayerKind::dense);
            for (const int grid : {0, 1, 4}) {
                INFO(channels << " channels, way " << int(way) << ", a gate for each " << grid);
                const Graph graph = values.graph(grid);
                auto layer = alternative(graph, graph.nodes.back(), *target.value(), way);
                REQUIRE(layer);
                apps::LayerRun run(std::move(*layer), 1);
                std::copy(values.input().begin(), values.input().end(), run.input(0).begin());
                const std::vector<float> gate =
                    grid > 0 ? draw_gate(shape, grid, 2, 1) : std::vector<float>();
                if (grid > 0) {
                    std::copy(gate.begin(), gate.end(), run.input(1).begin());
                }
                const apps::Answer answer = run.compute();
                CHECK_FALSE(answer.writes_outside);
                std::vector<float> expected = values.compute(gate, grid);
                // Winograd's sums differ by ten times what the direct one's do.
                CHECK(apps::difference(answer.values, expected) < 1e-4);
                expected[expected.size() - 1] += 100;
                CHECK(apps::difference(answer.values, expected) > 0.1);
                // What is not asked for is not written, but by a kernel that walks no list.
                const bool has_list = way != WayId::depthwise || grid > 0;
                CHECK(std::isinf(apps::difference(run.compute(1).values, answer.values)) ==
                      has_list);
            }
        }
    }
}

TEST_CASE("a quantised layer's run gives the scalar answer, byte for byte") {
    const Result<const Target*> target = choose_target("");
    REQUIRE(target.ok());
    for (const int channels : {16, 12}) {
        const LayerShape shape{6, 9, channels};
        const ConvCase values(shape, 1, LayerKind::quantised);
        for (const int grid : {0, 1, 4}) {
            INFO(channels << " channels, a gate for each " << grid);
            const Graph graph = values.graph(grid);
            auto layer = alternative(graph, graph.nodes.back(), *target.value(), WayId::int8);
            REQUIRE(layer);
            apps::LayerRun run(std::move(*layer), 1);
            const std::vector<std::uint8_t> input = values.byte_input();
            std::copy(input.begin(), input.end(), run.byte_input(0).begin());
            const std::vector<float> gate =
                grid > 0 ? draw_gate(shape, grid, 2, 1) : std::vector<float>();
            if (grid > 0) {
                std::copy(gate.begin(), gate.end(), run.input(1).begin());
            }
            const apps::Answer answer = run.compute();
            CHECK_FALSE(answer.writes_outside);
            std::vector<float> expected = values.compute(gate, grid);
            CHECK(answer.values == expected);
            // Neither all of one number nor all at an end.
            CHECK(std::set<float>(expected.begin(), expected.end()).size() > 5);
            CHECK(run.compute(1).values != expected);
        }
    }
}

TEST_CASE("answers differ by the largest difference, of the largest value") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> wanted = {1, -10, nan};
    CHECK(apps::difference(wanted, wanted) == 0);
    CHECK(apps::difference(std::vector<float>{2, -10, nan}, wanted) == Approx(0.1));
    CHECK(std::isinf(apps::difference(std::vector<float>{1, -10, 0}, wanted)));
    CHECK(std::isinf(apps::difference(std::vector<float>{nan, -10, nan}, wanted)));
    CHECK(std::isinf(apps::difference(std::vector<float>{1, -10}, wanted)));
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
    int compared = 0, on_tiles = 0, generic = 0;
    for (const KernelResult& row : rows.value()) {
        INFO(row.kernel << " " << row.height << " " << row.density << " " << row.tiles);
        if (!row.times) {
            const bool is_known = row.problem == "generic only" ||
                                  (row.height == 3 && row.problem == "smaller than a tile");
            CHECK(is_known);
            continue;
        }
        CHECK(row.problem.empty());
        // Six or four tiles of 16 positions, which do not overlap.
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
            generic += row.channels == 24;
            // So many positions in a tile's time: 16 of them in 16 / speed-up.
            CHECK(*row.break_even == Approx(1 / *row.speed_up));
        }
    }
    // Dense, and gated at two densities, of 16 channels and of 24, whose kernels are generic.
    CHECK(compared >= 6);
    CHECK(generic == 3);
    CHECK(on_tiles == 4);
}

TEST_CASE("Winograd's gate has the tiles of the kernel that fits the channels") {
    const Result<const Target*> target = choose_target("");
    REQUIRE(target.ok());
    // Kernels of so many channels have smaller tiles than others.
    const KernelQuestion question{{gated_winograd}, {{4, 4, 512}}, {1.0}, 0.01};
    const Result<std::vector<KernelResult>> rows = time_kernels(
        question, *target.value(), [](const std::vector<KernelResult>&) { return Status{}; });
    REQUIRE(rows.ok());
    REQUIRE(rows.value().size() == 1);
    const KernelResult& row = rows.value()[0];
    CHECK(row.problem == "");
    CHECK(row.is_generic);
    CHECK(row.side == 2);
    CHECK(row.tiles == 4);
}

TEST_CASE("the core's peak is that of its FMA units") {
    const double peak = measure_fma_peak(*choose_target("").value());
    // Under an emulator on a busy machine, and four FMAs of 16 lanes a cycle at 10 GHz.
    CHECK(peak > 0.001);
    CHECK(peak < 1280);
    CHECK(measure_read_gbps(std::size_t{1} << 18) > 0.01);
}

TEST_CASE("the core's int8 peak is known where it is known how to measure it") {
    for (const Target& target : targets()) {
        if (!cpu_has(target.requires_)) {
            continue;
        }
        INFO(target.id);
        const std::string_view flags = target.requires_;
        const double peak = measure_int8_peak(target);
        if (flags.find("avx2") == std::string_view::npos) {
            CHECK(peak == 0);
            continue;
        }
        // 10 GHz; a cycle of AMX has 2048 operations, of two units of 64 bytes 256.
        CHECK(peak > 0.001);
        CHECK(peak < (flags.find("amx_int8") == std::string_view::npos ? 2560 : 20480));
    }
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
