#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "autotune/break_even.h"
#include "autotune/evidence.h"
#include "autotune/options.h"
#include "autotune/progress.h"
#include "autotune/report.h"
#include "autotune/search.h"

using namespace sluice;
using namespace sluice::autotune;

namespace {

namespace fs = std::filesystem;

/// A folder that goes with the test.
struct Folder {
    fs::path path;
    Folder() {
        std::string name = (fs::temp_directory_path() / "sluice-autotune-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Folder() { fs::remove_all(path); }
};

std::string read(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

void write(const fs::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

/// All that a search can come to in so many steps: seeds, and neighbours of neighbours.
std::set<Numbers> reachable(const Space& space, const Numbers& present, int steps = 1000) {
    std::set<Numbers> all;
    std::vector<Numbers> waiting = make_seeds(space, present);
    for (int step = 0; step <= steps && !waiting.empty(); ++step) {
        std::vector<Numbers> next;
        for (const Numbers& numbers : waiting) {
            if (all.insert(numbers).second) {
                const std::vector<Numbers> near = make_neighbours(space, numbers);
                next.insert(next.end(), near.begin(), near.end());
            }
        }
        waiting = std::move(next);
    }
    return all;
}

const Numbers tile = {{"pixels", 6}, {"tail", 2}, {"unroll", 8}, {"vectors", 1}};

}  // namespace

TEST_CASE("registers of a target are counted") {
    CHECK(count_registers("x86-64-linux-sse41") == 16);
    CHECK(count_registers("x86-64-linux-sse41-avx-f16c-fma-avx2") == 16);
    CHECK(count_registers("x86-64-linux-sse41-avx-f16c-fma-avx2-avx512-avx512_skylake") == 32);
    CHECK(count_registers("arm-64-linux") == 32);
}

TEST_CASE("every schedule of a convolution fits registers, rows and channels") {
    // 3x3 windows of 16, 64 and 3 channels, and any window of any.
    const Space spaces[] = {{"gated_conv", 32, 16, 48, 16}, {"gated_conv", 32, 16, 192, 64},
                            {"gated_conv", 16, 8, 192, 64}, {"gated_conv", 16, 4, 9, 16},
                            {"gated_conv", 32, 4, 147, 64}, {"gated_conv", 32, 16, 0, 16}};
    for (const Space& space : spaces) {
        INFO("registers " << space.registers << ", lanes " << space.lanes << ", row " << space.row);
        Numbers present = tile;
        present["unroll"] = space.row == 0 ? 1 : space.row % 8 == 0 ? 8 : 3;
        const std::set<Numbers> all = reachable(space, present);
        CHECK(all.size() >= 10);
        for (const Numbers& n : all) {
            INFO(to_text(n));
            const int p = n.at("pixels"), v = n.at("vectors"), u = n.at("unroll");
            CHECK(p * v + v + 1 <= space.registers);
            CHECK(p * v >= 8);  // two pipes of four cycles
            CHECK(n.at("tail") >= 1);
            CHECK(n.at("tail") < p);
            CHECK(space.channels % (v * space.lanes) == 0);
            CHECK((space.row == 0 ? u == 1 : space.row % u == 0));
        }
    }
}

TEST_CASE("every schedule of Winograd's fits registers, channels and the stack") {
    const Numbers present = {
        {"pixels", 16}, {"rows", 4}, {"tail", 4}, {"unroll", 4}, {"vectors", 1}};
    // Tiles of 4x4 outputs have 6x6 points, and those of 2x2 have 4x4; at stride 2, where there are
    // four phases of each channel, 4x4 outputs have 5x5.
    const Space spaces[] = {
        {"winograd_conv", 32, 16, 16, 16, 36, 16},    {"winograd_conv", 32, 16, 64, 64, 36, 64},
        {"winograd_conv", 16, 8, 64, 64, 36, 64},     {"winograd_conv", 16, 4, 16, 16, 36, 16},
        {"winograd_conv", 32, 16, 512, 512, 36, 512}, {"winograd_conv", 16, 8, 512, 512, 16, 512},
        {"winograd_conv", 32, 16, 64, 64, 25, 256}};
    for (const Space& space : spaces) {
        INFO("registers " << space.registers << ", lanes " << space.lanes << ", row " << space.row);
        CHECK(make_seeds(space, present).size() >= 2);
        const std::set<Numbers> all = reachable(space, present, 3);
        CHECK(all.size() >= 10);
        for (const Numbers& n : all) {
            INFO(to_text(n));
            const int p = n.at("pixels"), r = n.at("rows"), v = n.at("vectors");
            CHECK(r * v + v + 1 <= space.registers);
            CHECK(r * v >= 8);
            CHECK(r <= p);
            CHECK(n.at("tail") >= 1);
            CHECK(n.at("tail") < p);
            CHECK(space.channels % (v * space.lanes) == 0);
            CHECK(space.row % n.at("unroll") == 0);
            // The points of each tile's patches, and of its products.
            CHECK(space.points * 4 * p * (space.depth + v * space.lanes) <= 512 * 1024);
        }
    }
    // 36 * 4 * 6 * (512 + 64) is 497,664 bytes, and a seventh tile too much.
    const Space wide{"winograd_conv", 32, 16, 512, 512, 36, 512};
    CHECK(fits(wide, {{"pixels", 6}, {"rows", 4}, {"tail", 2}, {"unroll", 4}, {"vectors", 4}}));
    CHECK_FALSE(
        fits(wide, {{"pixels", 7}, {"rows", 4}, {"tail", 2}, {"unroll", 4}, {"vectors", 4}}));
    CHECK_FALSE(
        fits(wide, {{"pixels", 6}, {"rows", 4}, {"tail", 2}, {"unroll", 3}, {"vectors", 4}}));
    CHECK_FALSE(
        fits(wide, {{"pixels", 3}, {"rows", 4}, {"tail", 2}, {"unroll", 4}, {"vectors", 4}}));
    CHECK_FALSE(
        fits(wide, {{"pixels", 6}, {"rows", 6}, {"tail", 2}, {"unroll", 4}, {"vectors", 5}}));
}

TEST_CASE("every schedule over pairs fits registers, a tap's channels and outputs") {
    const Space spaces[] = {{"sparse_conv", 16, 8, 16, 16},
                            {"sparse_conv", 32, 16, 64, 64},
                            {"sparse_conv", 16, 4, 32, 32},
                            {"sparse_conv", 32, 4, 16, 16}};
    for (const Space& space : spaces) {
        INFO("registers " << space.registers << ", lanes " << space.lanes << ", row " << space.row);
        const std::set<Numbers> all =
            reachable(space, {{"pixels", 4}, {"unroll", 8}, {"vectors", 2}});
        CHECK(all.size() >= 10);
        for (const Numbers& n : all) {
            INFO(to_text(n));
            const int p = n.at("pixels"), v = n.at("vectors");
            CHECK(n.size() == 3);  // the generator has no other parameter, a tail least of all
            CHECK(p * v + v + 1 <= space.registers);
            CHECK(p * v >= 8);
            CHECK(space.channels % (v * space.lanes) == 0);
            CHECK(space.row % n.at("unroll") == 0);
        }
    }
}

TEST_CASE("a break-even moves by more than the noise, and is rounded up") {
    CHECK(choose_break_even(0.3, {0.35, 0.01}) == 0.35);
    CHECK(choose_break_even(0.3, {0.3501, 0.01}) == 0.36);
    CHECK(choose_break_even(0.3, {0.224, 0.01}) == 0.23);
    CHECK(choose_break_even(0.3, {0.309, 0.01}) == 0.3);
    CHECK(choose_break_even(0.305, {0.291, 0.02}) == 0.305);
    CHECK(choose_break_even(0.3, {2.5, 0.1}) == 1);  // Winograd never pays
}

TEST_CASE("seeds hold the widest tiles of each register file") {
    const auto has = [](const Space& space, int pixels, int vectors) {
        const std::vector<Numbers> seeds = make_seeds(space, tile);
        return std::any_of(seeds.begin(), seeds.end(), [&](const Numbers& n) {
            return n.at("pixels") == pixels && n.at("vectors") == vectors;
        });
    };
    // 6 * 4 + 4 + 1 = 29 of 32, 14 * 2 + 2 + 1 = 31, 6 * 2 + 2 + 1 = 15 of 16.
    const Space avx512{"gated_conv", 32, 16, 192, 64};
    CHECK(has(avx512, 6, 4));
    CHECK(has(avx512, 14, 2));
    CHECK_FALSE(has(avx512, 7, 4));
    CHECK_FALSE(has(avx512, 9, 3));  // 48 channels do not divide 64
    CHECK(has({"gated_conv", 16, 8, 192, 64}, 6, 2));
}

TEST_CASE("branches and linear layers stay within registers too") {
    for (const int registers : {16, 32}) {
        for (const Numbers& n :
             reachable({"branch", registers, 16, 12, 1}, {{"tile", 8}, {"unroll", 1}})) {
            CHECK(n.at("tile") + 2 <= registers);
            CHECK(12 % n.at("unroll") == 0);
        }
        for (const Numbers& n : reachable({"linear", registers, 16, 0, 1}, {{"parts", 4}})) {
            CHECK(n.at("parts") + 2 <= registers);
            CHECK(n.at("parts") >= 1);
        }
    }
}

TEST_CASE("a search descends to the best schedule and asks for none twice") {
    const Space space{"gated_conv", 32, 16, 192, 64};
    // A bowl whose bottom is no seed, with a hole that gives wrong answers.
    const auto cost = [](const Numbers& n) {
        const auto square = [](double x) { return x * x; };
        return 1 + square(n.at("pixels") - 11) / 50 + square(n.at("vectors") - 2) +
               square(n.at("unroll") - 12) / 200 + square(n.at("tail") - 5) / 50;
    };
    Search search(space, tile, cost(tile));
    std::set<Numbers> asked;
    for (std::vector<Numbers> batch = search.next(4); !batch.empty(); batch = search.next(4)) {
        CHECK(batch.size() <= 4);
        for (const Numbers& n : batch) {
            CHECK(fits(space, n));
            CHECK(asked.insert(n).second);
            const bool is_wrong = n.at("unroll") == 6;
            search.record(n, is_wrong ? Outcome{0, "wrong"} : Outcome{cost(n), ""});
        }
    }
    CHECK(search.best() == Numbers{{"pixels", 11}, {"tail", 5}, {"unroll", 12}, {"vectors", 2}});
    CHECK(asked.size() < 80);

    // Another search that is told all of it has nothing to ask.
    Search again(space, tile, cost(tile));
    for (const auto& [numbers, outcome] : search.tried()) {
        again.record(numbers, outcome);
    }
    CHECK(again.next(4).empty());
    CHECK(again.best() == search.best());
}

TEST_CASE("numbers keep their form, what is unknown and their order") {
    const Folder folder;
    for (const char* target : {"avx512", "avx2", "sse41", "neon"}) {
        const fs::path path = fs::path(SLUICE_TUNED) / (std::string(target) + ".json");
        const auto table = TunedTable::read(path);
        REQUIRE(table.ok());
        CHECK(table->text() == read(path));
    }
    const fs::path path = folder.path / "t.json";
    write(path,
          "{\n    \"a_any\": {\"break_even\": 1, \"future\": \"x\", \"nested\": [1, 2], "
          "\"unroll\": 1},\n"
          "    \"b_any\": {},\n    \"note\": \"kept\"\n}\n");
    const auto table = TunedTable::read(path);
    REQUIRE(table.ok());
    CHECK(table->numbers("a_any") == Numbers{{"unroll", 1}});
    CHECK(table->others("a_any").at("future") == "x");
    CHECK_FALSE(table->others("a_any").contains("break_even"));
    REQUIRE(merge_numbers(path, "unused", {{"a_any", {{"unroll", 4}}}}).ok());
    const std::string merged = read(path);
    CHECK(merged ==
          "{\n    \"a_any\": {\"break_even\": 1, \"future\": \"x\", \"nested\": [1,2], "
          "\"unroll\": 4},\n"
          "    \"b_any\": {},\n    \"note\": \"kept\"\n}\n");
    REQUIRE(merge_numbers(path, "unused", {{"a_any", {{"unroll", 4}}}}).ok());
    CHECK(read(path) == merged);
}

TEST_CASE("a row holds for kernels whose names go on after it, and names what differs") {
    const Folder folder;
    const fs::path path = folder.path / "t.json";
    write(path,
          "{\n    \"conv\": {\"break_even\": 0.3, \"pixels\": 6, \"unroll\": 1},\n"
          "    \"conv_3x3\": {\"unroll\": 8},\n"
          "    \"conv_3x3_c1\": {\"pixels\": 9}\n}\n");
    const auto table = TunedTable::read(path);
    REQUIRE(table.ok());
    CHECK(table->numbers("conv_any") == Numbers{{"pixels", 6}, {"unroll", 1}});
    CHECK(table->numbers("conv_3x3_c16") == Numbers{{"pixels", 6}, {"unroll", 8}});
    CHECK(table->numbers("conv_3x3_c1") == Numbers{{"pixels", 9}, {"unroll", 8}});
    CHECK(table->numbers("conv_3x3_c1_none") == Numbers{{"pixels", 9}, {"unroll", 8}});
    CHECK(table->break_even("conv_3x3_c1") == 0.3);
    CHECK(table->numbers("con").empty());

    REQUIRE(merge_numbers(path, "unused",
                          {{"conv_3x3_c1", {{"pixels", 6}, {"unroll", 8}}},
                           {"conv_3x3_c16", {{"pixels", 6}, {"unroll", 4}}}})
                .ok());
    REQUIRE(merge_break_even(path, "unused", "conv_any", 0.3).ok());
    CHECK(read(path) ==
          "{\n    \"conv\": {\"break_even\": 0.3, \"pixels\": 6, \"unroll\": 1},\n"
          "    \"conv_3x3\": {\"unroll\": 8},\n"
          "    \"conv_3x3_c16\": {\"unroll\": 4}\n}\n");
}

TEST_CASE("a file's own numbers count before those of the files below it, which stay as they are") {
    const Folder folder;
    const fs::path own = folder.path / "own.json";
    const std::vector<fs::path> below = {folder.path / "table.json", folder.path / "first.json"};
    write(below[0],
          "{\n    \"conv\": {\"break_even\": 0.3, \"pixels\": 6, \"unroll\": 1},\n"
          "    \"conv_3x3_c24_none\": {\"pixels\": 7}\n}\n");
    write(below[1], "{\n    \"conv_3x3_c24\": {\"pixels\": 9, \"unroll\": 2}\n}\n");
    write(own, "{}\n");
    const auto numbers = [&](const std::string& kernel) {
        const auto table = TunedTable::read(own, below);
        REQUIRE(table.ok());
        return table->numbers(kernel);
    };
    // The later file's, though the earlier one's row has the longer name.
    CHECK(numbers("conv_3x3_c24_none") == Numbers{{"pixels", 9}, {"unroll", 2}});
    CHECK(numbers("conv_3x3_c40_none") == Numbers{{"pixels", 6}, {"unroll", 1}});
    REQUIRE(
        merge_numbers(own, "unused", {{"conv_3x3_c24_none", {{"pixels", 9}, {"unroll", 4}}}}, below)
            .ok());
    REQUIRE(merge_break_even(own, "unused", "conv_3x3_c24_none", 0.2, below).ok());
    CHECK(read(own) == "{\n    \"conv_3x3_c24_none\": {\"break_even\": 0.2, \"unroll\": 4}\n}\n");
    CHECK(numbers("conv_3x3_c24_none") == Numbers{{"pixels", 9}, {"unroll", 4}});
    CHECK(read(below[1]) == "{\n    \"conv_3x3_c24\": {\"pixels\": 9, \"unroll\": 2}\n}\n");
    CHECK_FALSE(TunedTable::read(own, std::vector<fs::path>{folder.path / "none.json"}).ok());
}

TEST_CASE("a break-even is written beside the numbers of a schedule") {
    const Folder folder;
    const fs::path path = folder.path / "t.json";
    write(path,
          "{\n    \"a_any\": {\"pixels\": 6},\n"
          "    \"b_any\": {\"break_even\": 0.31, \"pixels\": 4}\n}\n");
    CHECK(TunedTable::read(path)->break_even("a_any") == 1);
    CHECK(TunedTable::read(path)->break_even("b_any") == 0.31);
    CHECK(TunedTable::read(path)->break_even("none") == 1);
    REQUIRE(merge_break_even(path, "unused", "b_any", 0.27).ok());
    CHECK(read(path) ==
          "{\n    \"a_any\": {\"pixels\": 6},\n"
          "    \"b_any\": {\"break_even\": 0.27, \"pixels\": 4}\n}\n");
    const fs::path other = folder.path / "new.json";
    REQUIRE(merge_break_even(other, path, "a_any", 0.5).ok());
    CHECK(TunedTable::read(other)->break_even("a_any") == 0.5);
    CHECK(TunedTable::read(path)->break_even("a_any") == 1);
}

TEST_CASE("numbers are written whole or not at all") {
    const Folder folder;
    const fs::path base = folder.path / "base.json", path = folder.path / "new" / "t.json";
    write(base, "{\n    \"a_any\": {\"unroll\": 1}\n}\n");
    REQUIRE(merge_numbers(path, base, {{"a_any", {{"unroll", 2}}}}).ok());
    CHECK(read(path) == "{\n    \"a_any\": {\"unroll\": 2}\n}\n");
    CHECK(read(base) == "{\n    \"a_any\": {\"unroll\": 1}\n}\n");

    // Damaged meanwhile: a failure that names it, and the file as it was.
    write(path, "{\"a_any\": ");
    const Status damaged = merge_numbers(path, base, {{"a_any", {{"unroll", 3}}}});
    CHECK_FALSE(damaged.ok());
    CHECK_THAT(damaged.message(), Catch::Contains(path.string()));
    CHECK(read(path) == "{\"a_any\": ");

    // A folder stands where the file should go.
    const fs::path blocked = folder.path / "blocked.json";
    fs::create_directories(blocked / "inside");
    CHECK_FALSE(merge_numbers(blocked, base, {{"a_any", {{"unroll", 3}}}}).ok());
    std::size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder.path)) {
        files += entry.is_regular_file();
    }
    CHECK(files == 2);  // base.json and t.json: nothing partial
}

TEST_CASE("evidence comes back as it was written, and other kernels' stays") {
    const Folder folder;
    const fs::path path = evidence_path(folder.path / "avx2.json");
    CHECK(path == folder.path / "evidence" / "avx2.json");
    CHECK(read_evidence(path).value().empty());
    KernelEvidence e;
    e.basis = {"some CPU", "abc", "of images", {"1x1 -> 1x1"}};
    e.date = "2026-01-02";
    e.is_finished = true;
    e.before = tile;
    e.best = {{"pixels", 5}, {"tail", 1}, {"unroll", 8}, {"vectors", 2}};
    e.layers = {{"16x8x8 -> 16x8x8", 0.5, 73728, 0.002, 0.001}};
    e.tried = {{e.before, {1, ""}}, {e.best, {0.5, ""}}, {{{"pixels", 9}}, {0, "crashed"}}};
    REQUIRE(merge_evidence(path, "one", e).ok());
    const std::string first = read(path);
    e.break_even = {"gated_conv_any abc pixels=6", tile, 0.3, 0.36, 0.3512, 0.004};
    REQUIRE(merge_evidence(path, "two", e).ok());
    REQUIRE(merge_evidence(path, "two", e).ok());
    const auto back = read_evidence(path);
    REQUIRE(back.ok());
    CHECK(back.value().size() == 2);
    const KernelEvidence& one = back.value().at("one");
    CHECK(one.basis == e.basis);
    CHECK(one.best == e.best);
    CHECK(one.is_finished);
    CHECK_FALSE(one.is_confirmed);
    CHECK(one.tried.at(e.best).ratio == 0.5);
    CHECK(one.tried.at({{"pixels", 9}}).problem == "crashed");
    CHECK_FALSE(one.break_even.has_value());
    const auto& break_even = back.value().at("two").break_even;
    REQUIRE(break_even.has_value());
    CHECK(break_even->against == "gated_conv_any abc pixels=6");
    CHECK(break_even->numbers == tile);
    CHECK(break_even->before == 0.3);
    CHECK(break_even->after == 0.36);
    CHECK(break_even->measured == 0.3512);
    CHECK(break_even->spread == 0.004);

    write(path, "{\"one\": {}}");
    CHECK_THAT(read_evidence(path).status().message(), Catch::Contains(path.string()));
}

TEST_CASE("the report gives GFLOPS of active MACs") {
    KernelEvidence e;
    e.basis = {"some CPU", "", "of images", {}};
    e.date = "2026-01-02";
    e.before = {{"parts", 4}};
    e.best = {{"parts", 8}};
    // Two operations a MAC: 2 * 5e6 / 1 ms = 10 GFLOPS, and twice that in half the time.
    e.layers = {{"64 -> 10", 0.5, 5'000'000, 1.0, 0.5}};
    e.break_even = {"gated_conv_any abc pixels=6", {}, 0.3, 0.36, 0.3512, 0.004};
    const std::string text = draw_report({{"linear_any", e}});
    CHECK_THAT(text, Catch::Contains("linear_any: break-even 0.30 -> 0.36, measured 0.351 within "
                                     "0.004 against gated_conv_any\n"));
    e.break_even->after = 0.3;
    CHECK_THAT(draw_report({{"linear_any", e}}), Catch::Contains("keeps its break-even 0.30, "));
    CHECK_THAT(text, Catch::Contains("0.50     1.0000    10.0    0.5000    20.0  2.00x"));
    CHECK_THAT(text, Catch::Contains("linear_any: parts=4 -> parts=8"));
    CHECK_THAT(text, Catch::Contains("some CPU, 2026-01-02, densities of images"));
}

TEST_CASE("the progress bar says what is left") {
    CHECK(draw_progress(0.5, 65.9, "linear_any") ==
          "[" + std::string(16, '#') + std::string(16, '.') + "]  50%  1:05 left  linear_any");
    CHECK_THAT(draw_progress(2, -1, "x"), Catch::Contains("] 100%  0:00 left"));
}

TEST_CASE("a command line is understood or refused in one line") {
    const auto parse = [](std::vector<const char*> words) {
        words.insert(words.begin(), "autotune");
        return parse_options(static_cast<int>(words.size()), words.data());
    };
    const auto good = parse({"--model", "a.onnx", "b.onnx", "--budget", "9", "--threads", "3"});
    REQUIRE(good.ok());
    CHECK(good->models.size() == 2);
    CHECK(good->budget == 9);
    CHECK(good->threads == 3);
    CHECK(parse({"--report"}).ok());
    for (const std::vector<const char*>& words : {std::vector<const char*>{},
                                                  {"--model"},
                                                  {"--model", "a", "--budget", "0"},
                                                  {"--model", "a", "--threads", "0"},
                                                  {"--model", "a", "--nonsense"}}) {
        const auto bad = parse(words);
        CHECK_FALSE(bad.ok());
        CHECK(bad.status().message().find('\n') == std::string::npos);
    }
}
