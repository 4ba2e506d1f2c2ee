#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "benchmark/html.h"
#include "benchmark/json.h"
#include "benchmark/markdown.h"
#include "benchmark/plot.h"
#include "benchmark/report_tables.h"

using namespace sluice;
using namespace sluice::apps;
using namespace sluice::benchmark;

namespace {

Report make_report() {
    Report report;
    report.machine = {"A <CPU> & more", 2, 100, 50, 10, 300, "avx2"};
    NetworkResult ours;
    ours.file = "resnet18_lccl_d50_synthetic";
    ours.network = "resnet18";
    ours.variant = "lccl";
    ours.weights = "synthetic";
    ours.inputs = "images";
    ours.engine = "sluice";
    ours.version = "0.1.0";
    ours.target = "avx2";
    ours.times = Times{0.5, 0.4, 0.75, 100};
    ours.macs = 20'000'000;
    ours.macs_executed = 10'000'000;
    ours.peak_rss_mb = 14;
    ours.idle_rss_mb = 5;
    ours.load_ms = 9;
    ours.agrees = true;
    NetworkResult wrong = ours;
    wrong.engine = "other";
    wrong.target = "";
    wrong.times.reset();
    wrong.agrees = false;
    wrong.problem = "wrong answer: differs by 0.5 of the largest score from sluice";
    report.networks = {ours, wrong};
    KernelResult kernel;
    kernel.kernel = "gated_conv_f32_3x3_c16_position__avx2";
    kernel.family = "gated_conv";
    kernel.shape_class = "3x3_c16";
    kernel.target = "avx2";
    kernel.height = kernel.width = 8;
    kernel.channels = 16;
    kernel.active = 64;
    kernel.times = Times{0.002, 0.002, 0.003, 9};
    KernelResult half = kernel;
    half.density = 0.5;
    half.active = 32;
    half.times = Times{0.0011, 0.001, 0.002, 9};
    half.departure = 0.1;
    KernelResult none = kernel;
    none.channels = 17;
    none.times.reset();
    none.problem = "generic only";
    KernelResult winograd = half;
    winograd.family = "gated_winograd";
    winograd.kernel = "winograd_conv_f32_3x3_c16_position__avx2";
    winograd.tiles = 2;
    winograd.times = Times{0.0005, 0.0005, 0.0006, 9};
    winograd.departure.reset();
    winograd.speed_up = 2.2;
    winograd.break_even = 0.4545;
    KernelResult on_tiles = half;
    on_tiles.tiles = 2;
    report.kernels = {kernel, half, none, winograd, on_tiles};
    report.layers = {{"resnet18_lccl_d50_synthetic", "conv1", "16x8x8 -> 16x8x8, 3x3", 0.5, 0.002,
                      0.0001, "dense_winograd", 0.003, 0.5}};
    return report;
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the benchmark's JSON has the agreed form") {
    const auto json = nlohmann::ordered_json::parse(to_json(make_report()));
    CHECK(json["machine"]["cpu"] == "A <CPU> & more");
    CHECK(json["machine"]["cores"] == 2);
    CHECK(json["machine"]["fma_peak_gflops"] == 100);
    CHECK(json["machine"]["int8_peak_gops"] == 300);
    REQUIRE(json["results"].size() == 2);
    const auto& ours = json["results"][0];
    const std::vector<std::string> form = {"network",     "variant", "engine", "target",
                                           "precision",   "threads", "batch",  "median_ms",
                                           "p10_ms",      "p90_ms",  "macs",   "macs_executed",
                                           "peak_rss_mb", "load_ms", "agrees"};
    std::vector<std::string> keys;
    for (const auto& item : ours.items()) {
        keys.push_back(item.key());
    }
    keys.resize(form.size());
    CHECK(keys == form);
    CHECK(ours["precision"] == "fp32");
    CHECK(ours["median_ms"] == 0.5);
    CHECK(ours["macs_executed"] == 10'000'000);
    CHECK(ours["agrees"] == true);
    CHECK(ours["weights"] == "synthetic");
    // 2 * 10 million in half a millisecond.
    CHECK(ours["gflops"] == 40);
    CHECK(ours["share_of_peak"] == Approx(0.4));
    CHECK(ours["problem"].is_null());
    REQUIRE(json["kernels"].size() == 5);
    CHECK(json["kernels"][0]["speed_up"].is_null());
    CHECK(json["kernels"][3]["speed_up"] == 2.2);
    CHECK(json["kernels"][3]["break_even"] == 0.4545);
    CHECK(json["kernels"][3]["tiles"] == 2);
    CHECK(json["layers"][0]["dense_kernel"] == "dense_winograd");
    CHECK(json["layers"][0]["realised"] == 1.5);
    CHECK_FALSE(json.contains("steps"));
}

TEST_CASE("a wrong answer has no time in any report") {
    const Report report = make_report();
    const auto json = nlohmann::json::parse(to_json(report));
    const auto& wrong = json["results"][1];
    for (const char* key : {"median_ms", "p10_ms", "p90_ms", "gflops", "load_ms", "peak_rss_mb"}) {
        CHECK(wrong[key].is_null());
    }
    CHECK(wrong["agrees"] == false);
    CHECK(holds(wrong["problem"], "wrong answer"));
    CHECK(holds(to_markdown(report),
                "| resnet18_lccl_d50_synthetic (synthetic weights) | lccl | other | images | 1 | 1 "
                "| - | - | - | - | - | - | - | - | wrong answer: differs by 0.5"));
    CHECK(holds(to_html(report), "<td class=\"left\">wrong answer: differs by 0.5"));
    CHECK(holds(to_text(network_table(report.networks, report.machine)), "wrong answer: differs"));
}

TEST_CASE("what multiplies bytes is held against the int8 peak, where that is known") {
    Report report = make_report();
    report.kernels.resize(1);
    report.kernels[0].family = "gated_int8";
    report.networks.resize(1);
    report.networks[0].is_int8 = true;
    // 147.5 of 300, and 40 of 300.
    CHECK(holds(to_markdown(report), "| 147.5 | 49.2% | - | - | - | GOPS, of the int8 peak |"));
    CHECK(holds(to_markdown(report), "| 40.0 | 13.3% |"));
    const auto json = nlohmann::json::parse(to_json(report));
    CHECK(json["results"][0]["precision"] == "int8");
    CHECK(json["results"][0]["share_of_peak"] == Approx(0.1333).margin(1e-4));
    report.machine.int8_peak_gops = 0;
    CHECK(holds(to_markdown(report), "| 147.5 | - | - | - | - | GOPS, of the int8 peak |"));
    const auto unknown = nlohmann::json::parse(to_json(report));
    CHECK(unknown["machine"]["int8_peak_gops"].is_null());
    CHECK(unknown["results"][0]["share_of_peak"].is_null());
}

TEST_CASE("tables hold the figures and their shares") {
    const Report report = make_report();
    const std::string markdown = to_markdown(report);
    CHECK(holds(markdown, "A <CPU> & more, 2 cores; of one core with avx2: FMA peak 100.0 GFLOPS"));
    CHECK(
        holds(markdown, "| 0.500 | 0.400 | 0.750 | 10.00 | 40.0 | 40.0% | 14.0 | 9.0 | agrees |"));
    // 9 * 16 * 16 * 64 MACs in 2 us are 147.5 GFLOPS, and 147.5% of a peak of 100.
    CHECK(holds(markdown,
                "| 8x8x16 | gated_conv | avx2 | 1.00 | 2.0 | 2.0 | 3.0 | 147.5 | 147.5% "
                "| - | - | - |  |"));
    CHECK(holds(markdown, "| +10.0% |"));
    // 9 * 16 * 16 * 32 MACs in half a microsecond, more than a peak of 100 can.
    CHECK(holds(markdown,
                "| 8x8x16 | gated_winograd | avx2 | 0.50 | 0.5 | 0.5 | 0.6 | 294.9 | 294.9% "
                "| - | 2.20x | 0.45 | GFLOPS of the direct sum's MACs |"));
    CHECK(holds(markdown, "| 8x8x16 | gated_conv, on tiles | avx2 |"));
    CHECK(holds(markdown, "those of the direct sum for Winograd's kernels"));
    CHECK(holds(markdown, "by 0.0001 of the largest value"));
    CHECK(holds(markdown, "generic only"));
    CHECK(holds(markdown, "| dense_winograd | 0.500 | 3.0 | 2.0 | 0.1 | 2.00x | 1.50x | 75.0% |"));
    Report empty;
    CHECK_FALSE(holds(to_markdown(empty), "##"));
}

TEST_CASE("columns of a text table align") {
    const apps::Table table{
        {"name", "x", "note"}, 1, true, {{"a", "10.5", "é"}, {"long", "2", ""}}};
    CHECK(to_text(table) == "name     x  note\na     10.5  é\nlong     2\n");
    CHECK(to_markdown(table) ==
          "| name | x | note |\n|---|---:|---|\n| a | 10.5 | é |\n"
          "| long | 2 |  |\n");
    const apps::Table pipes{{"a|b"}, 1, false, {}};
    CHECK(to_markdown(pipes) == "| a\\|b |\n|---|\n");
}

TEST_CASE("the page stands alone and is well formed") {
    const std::string page = to_html(make_report());
    CHECK(holds(page, "A &lt;CPU&gt; &amp; more"));
    for (const char* outside : {"http:", "https:", "<script", "<link", "<img", "@import", "url("}) {
        CHECK_FALSE(holds(page, outside));
    }
    CHECK(holds(page, "theoretical: proportional to the density"));
    CHECK(holds(page, "Roofline of one core"));
    CHECK(holds(page, "gated, Winograd on active tiles"));
    CHECK(holds(page, "those of the direct sum for Winograd's kernels"));
    CHECK(holds(page, "synthetic weights"));
    const auto count = [&page](const std::string& part) {
        int found = 0;
        for (std::size_t at = page.find(part); at != std::string::npos;
             at = page.find(part, at + 1)) {
            ++found;
        }
        return found;
    };
    for (const std::string tag : {"svg", "table", "tr", "td", "div", "text"}) {
        CHECK(count("<" + tag + ">") + count("<" + tag + " ") == count("</" + tag + ">"));
    }
    CHECK_FALSE(holds(page, "nan"));
    CHECK_FALSE(holds(page, "inf\""));
}

TEST_CASE("ticks are round numbers that enclose the range") {
    CHECK(linear_ticks(0.9) == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0});
    CHECK(linear_ticks(50) == std::vector<double>{0, 10, 20, 30, 40, 50});
    CHECK(linear_ticks(2071).back() == 2500);
    CHECK(log_ticks(3, 60) == std::vector<double>{2, 5, 10, 20, 50, 100});
    CHECK(log_ticks(10, 100) == std::vector<double>{10, 20, 50, 100});
    CHECK(short_number(0.6000000000000001) == "0.6");
    CHECK(short_number(1000) == "1000");
}

TEST_CASE("places on axes") {
    CHECK(Axis{"", 0, 50, false, {}}.place(25) == 0.5);
    CHECK(Axis{"", 1, 100, true, {}}.place(10) == Approx(0.5));
}

TEST_CASE("a plot draws its points in place, and escapes its texts") {
    // Axes from x = 58 to 186 and from y = 154 up to 34.
    Plot plot("a<b", {"x", 0, 1, false, {0, 1}}, {"y", 0, 10, false, {0, 10}}, 200, 200);
    plot.add_dots({{0, 0}, {1, 10}}, "#123456", false, "dots & more");
    const std::string svg = plot.to_svg();
    CHECK(holds(svg, "<circle cx=\"58.0\" cy=\"154.0\""));
    CHECK(holds(svg, "<circle cx=\"186.0\" cy=\"34.0\""));
    CHECK(holds(svg, "a&lt;b"));
    CHECK(holds(svg, "dots &amp; more"));
}

TEST_CASE("a layer that skips everything has no theoretical speed-up in JSON") {
    Report report;
    report.layers = {{"a", "x", "s", 0, 1, 0, "k", 6, 0}, {"a", "y", "s", 0.5, 2, 0, "k", 6, 0.5}};
    const std::string text = to_json(report);
    CHECK(holds(text, "\"theoretical\": null"));
    CHECK(holds(text, "\"theoretical\": 2.0"));
    CHECK(to_text(layer_table(report.layers)).find("nan") == std::string::npos);
}

TEST_CASE("layers of one shape become their mean, and MACs those of all") {
    // network, layer, shape, density, gated ms, branch ms, dense kernel, dense ms, executed share
    const std::vector<LayerResult> rows = {{"a", "x", "s", 0.2, 2, 1, "k", 6, 0.25},
                                           {"a", "y", "t", 0.5, 1, 0, "k", 1, 0.5},
                                           {"a", "z", "s", 0.6, 4, 3, "k", 8, 0.75},
                                           {"b", "x", "s", 0.1, 1, 0, "k", 1, 1}};
    const std::vector<LayerResult> merged = merge_by_shape(rows);
    REQUIRE(merged.size() == 3);
    CHECK(merged[0].layer == "2 layers");
    CHECK(merged[0].density == Approx(0.4));
    CHECK(merged[0].gated_ms == Approx(3));
    CHECK(merged[0].branch_ms == Approx(2));
    CHECK(merged[0].dense_ms == Approx(7));
    // A quarter and three quarters of as many MACs were executed: half of all.
    CHECK(merged[0].executed_share == Approx(0.5));
    CHECK(merged[0].theoretical() == Approx(2));
    CHECK(merged[1].layer == "1 layer");
    CHECK(merged[1].theoretical() == Approx(2));
    CHECK(merged[2].network == "b");
}
