#include <catch2/catch.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "autotune/break_even.h"
#include "autotune/kernel_job.h"
#include "autotune/tune.h"
#include "common/interrupt.h"

using namespace sluice;
using namespace sluice::autotune;

/// Candidates that are compiled and run: the good ones, and what a bad one may do.
namespace {

namespace fs = std::filesystem;

const Target& best_target() {
    const auto target = choose_target("");
    REQUIRE(target.ok());
    return *target.value();
}

std::string read(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

/// Starts the compilation of C++ in a kernel's place.
Result<Child> compile_source(const std::string& body, const fs::path& library) {
    const std::string source = library.string() + ".cpp";
    std::ofstream(source) << "#include <cstdlib>\n"
                             "extern \"C\" int sluice_candidate_argv(void** a) { (void)a; "
                          << body << " return 0; }\n";
    const std::string command =
        std::string(SLUICE_CXX) + " -shared -fPIC -o '" + library.string() + "' '" + source + "'";
    return Child::start(
        [command] { return std::string(std::system(command.c_str()) == 0 ? "" : "no compiler"); });
}

/// The demo's steps of the kernels named, and numbers of our own for them.
class Bench {
public:
    explicit Bench(const std::vector<std::string>& kernels) {
        std::string name = (fs::temp_directory_path() / "sluice-autotune-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        folder = name;
        auto read_in = read_catalogue(SLUICE_SOURCE, best_target());
        REQUIRE(read_in.ok());
        catalogue = std::move(read_in).value();
        auto found =
            find_workload({fs::path(SLUICE_SOURCE) / "tests/networks/resnet20_lccl_cifar10.onnx"},
                          best_target(), catalogue, std::nullopt);
        REQUIRE(found.ok());
        workload = std::move(found).value();
        std::erase_if(workload.layers, [&](const Layer& layer) {
            return std::find(kernels.begin(), kernels.end(), layer.name) == kernels.end();
        });
        REQUIRE(workload.layers.size() >= kernels.size());
        // All of one target: the best one's, or its base's.
        kernels_target = workload.layers[0].kernel->target;
        const fs::path tuned = fs::path(SLUICE_TUNED) / (kernels_target + ".json");
        settings = {"test", 2, 60, {{kernels_target, {folder / "t.json", tuned}}}, folder};
    }
    ~Bench() { fs::remove_all(folder); }

    Result<Evidence> tune() {
        Progress progress;
        return autotune::tune(workload, catalogue, settings, progress);
    }
    TunedFiles& files() { return settings.files.at(kernels_target); }
    Verdict judge(const std::string& body) {
        const auto table = TunedTable::read(files().base);
        REQUIRE(table.ok());
        KernelJob job(workload.layers[0].name, {&workload.layers[0]}, catalogue, table.value(),
                      settings);
        settings.compile = [&](const Recipe& recipe, const Numbers& numbers, const fs::path& path) {
            return numbers == job.present() ? start_compilation(recipe, numbers, path)
                                            : compile_source(body, path);
        };
        Numbers other = job.present();
        other["tail"] += 1;
        std::map<Numbers, std::string> problems;
        REQUIRE(job.compile({job.present(), other}, problems).ok());
        REQUIRE(problems.empty());
        job.load();
        auto verdict = job.judge(other, {3, 2});
        REQUIRE(verdict.ok());
        return std::move(verdict).value();
    }

    fs::path folder;
    std::string kernels_target;
    Catalogue catalogue;
    Workload workload;
    TuneSettings settings;
};

const std::string stem = "gated_conv_f32_3x3_c3_none";

/// Compares what candidates, and the present schedule, give on the demo's layers with the plan's.
void check_answers(const std::string& name, std::vector<Numbers> candidates) {
    Bench bench({name});
    const auto table = TunedTable::read(bench.files().base);
    REQUIRE(table.ok());
    std::vector<const Layer*> layers;
    for (const Layer& layer : bench.workload.layers) {
        layers.push_back(&layer);
    }
    KernelJob job(name, layers, bench.catalogue, table.value(), bench.settings);
    candidates.push_back(job.present());
    std::map<Numbers, std::string> problems;
    REQUIRE(job.compile(candidates, problems).ok());
    CHECK(problems.empty());
    job.load();
    for (const Numbers& numbers : candidates) {
        INFO(to_text(numbers));
        const auto verdict = job.judge(numbers, {1, 20});
        REQUIRE(verdict.ok());
        CHECK(verdict->problem == "");
    }
}

}  // namespace

TEST_CASE("the shipped schedule, compiled in process, gives the plan's answers") {
    for (const char* kernel :
         {"gated_conv_f32_3x3_c3_none", "gated_conv_f32_3x3_c16_position",
          "winograd_conv_f32_3x3_c32_position", "branch_f32_3x3_c32", "linear_f32_any"}) {
        INFO(kernel);
        Bench bench({kernel});
        const auto table = TunedTable::read(bench.files().base);
        REQUIRE(table.ok());
        KernelJob job(kernel, {&bench.workload.layers[0]}, bench.catalogue, table.value(),
                      bench.settings);
        std::map<Numbers, std::string> problems;
        REQUIRE(job.compile({job.present()}, problems).ok());
        CHECK(problems.empty());
        job.load();
        const auto verdict = job.judge(job.present(), {3, 20});
        REQUIRE(verdict.ok());
        CHECK(verdict->problem == "");
        CHECK(verdict->times[0].size() == bench.workload.layers[0].loads.size());
    }
}

TEST_CASE("a candidate that crashes, hangs or answers wrongly is dropped") {
    Bench bench({stem});
    // The third field of a halide_buffer_t is the memory.
    const std::string output = std::to_string(index_of(&GatedConvCall<halide_buffer_t*>::output));
    const std::string memory = "float* y = static_cast<float**>(a[" + output + "])[2];";
    CHECK_THAT(bench.judge("std::abort();").problem, Catch::Contains("crashed"));
    CHECK_THAT(bench.judge("volatile int* p = 0; *p = 1;").problem, Catch::Contains("crashed"));
    CHECK_THAT(bench.judge("for (volatile int i = 0;; ) { i = i + 1; }").problem,
               Catch::Contains("did not end in time"));
    CHECK_THAT(bench.judge("std::exit(3);").problem, Catch::Contains("ended with code 3"));
    CHECK_THAT(bench.judge("std::_Exit(0);").problem, Catch::Contains("without an answer"));
    CHECK_THAT(bench.judge(";").problem, Catch::Contains("not finite, or none"));
    CHECK_THAT(bench.judge(memory + "y[-1] = 1;").problem, Catch::Contains("outside its output"));
}

TEST_CASE("schedules of another width or tail give the same answers") {
    std::vector<Numbers> candidates;
    for (const int tail : {1, 3, 5}) {
        candidates.push_back({{"pixels", 6}, {"tail", tail}, {"unroll", 3}, {"vectors", 1}});
    }
    check_answers("gated_conv_f32_3x3_c32_position", candidates);
}

TEST_CASE("Winograd's schedules of other tiles and tails give the same answers") {
    std::vector<Numbers> candidates;
    for (const int tail : {1, 3, 7}) {
        // Register tiles that divide neither chunk nor tail.
        candidates.push_back(
            {{"pixels", 8}, {"rows", 3}, {"tail", tail}, {"unroll", 2}, {"vectors", 1}});
    }
    check_answers("winograd_conv_f32_3x3_c32_position", candidates);
}

TEST_CASE("schedules over pairs of other tiles give the same answers") {
    // Each width packs weights and sums in its own way; a tile of fourteen takes more behind
    // the pairs than the plan has room for.
    check_answers("sparse_conv_f32_3x3_c32", {{{"pixels", 14}, {"unroll", 4}, {"vectors", 1}},
                                              {{"pixels", 3}, {"unroll", 1}, {"vectors", 2}}});
}

TEST_CASE("a break-even follows the direct kernel's time") {
    const std::string direct = "gated_conv_f32_3x3_c32_position",
                      winograd = "winograd_conv_f32_3x3_c32_position",
                      sparse = "sparse_conv_f32_3x3_c32";
    Bench bench({direct, winograd, sparse});
    const auto table = TunedTable::read(bench.files().base);
    REQUIRE(table.ok());
    const auto job = [&](const std::string& name) {
        std::vector<const Layer*> layers;
        for (const Layer& layer : bench.workload.layers) {
            if (layer.name == name) {
                layers.push_back(&layer);
            }
        }
        return KernelJob(name, layers, bench.catalogue, table.value(), bench.settings);
    };
    const auto measure = [&](const std::string& name, const std::string& body) {
        bench.settings.compile = [&, body](const Recipe& recipe, const Numbers& numbers,
                                           const fs::path& path) {
            return recipe.generator == "gated_conv" ? compile_source(body, path)
                                                    : start_compilation(recipe, numbers, path);
        };
        KernelJob kernel = job(name), of_positions = job(direct);
        CHECK(is_direct_of(of_positions, kernel));
        CHECK_FALSE(is_direct_of(kernel, of_positions));
        const auto found =
            measure_break_even({kernel, of_positions}, kernel.present(), of_positions.present());
        REQUIRE(found.ok());
        return found.value();
    };
    // One that takes a microsecond leaves Winograd no tile to win; one that takes long leaves it
    // all.
    const auto spin = [](const std::string& count) {
        return "for (volatile int i = 0; i < " + count + "; ) { i = i + 1; }";
    };
    const auto none = measure(winograd, spin("2000"));
    REQUIRE(none.has_value());
    CHECK(choose_break_even(0.3, *none) == 1);
    const auto all = measure(winograd, spin("3000000"));
    REQUIRE(all.has_value());
    CHECK(all->measured > 0);
    CHECK(choose_break_even(0.3, *all) <= 0.1);
    // Pairs pay below their break-even, tiles above it.
    const auto no_pairs = measure(sparse, spin("2000"));
    REQUIRE(no_pairs.has_value());
    CHECK(no_pairs->measured > 0);
    CHECK(choose_break_even(0.3, *no_pairs) <= 0.1);
    // One that is not there gives none.
    CHECK_FALSE(measure(winograd, "#error").has_value());
}

TEST_CASE("a run settles break-evens, once") {
    const std::string direct = "gated_conv_f32_3x3_c64_position",
                      winograd = "winograd_conv_f32_3x3_c64_position";
    Bench bench({direct, winograd});
    const fs::path poor = bench.folder / "poor.json";
    REQUIRE(merge_break_even(poor, bench.files().base, winograd, 0.99).ok());
    bench.files().base = poor;
    bench.settings.seconds = 0;
    int compiled = 0;
    bench.settings.compile = [&](const Recipe& recipe, const Numbers& numbers,
                                 const fs::path& path) {
        ++compiled;
        return start_compilation(recipe, numbers, path);
    };
    const auto first = bench.tune();
    REQUIRE(first.ok());
    const auto& evidence = first.value().at(winograd).break_even;
    REQUIRE(evidence.has_value());
    CHECK(evidence->before == 0.99);
    CHECK(evidence->measured > 0);
    CHECK_THAT(evidence->against, Catch::StartsWith(direct + " "));
    CHECK_FALSE(first.value().at(direct).break_even.has_value());
    // The schedules are as they were; what is written is what was measured, rounded up.
    const auto table = TunedTable::read(bench.files().numbers);
    REQUIRE(table.ok());
    CHECK(table->numbers(winograd) == TunedTable::read(poor)->numbers(winograd));
    const double written = table->break_even(winograd);
    CHECK(written == evidence->after);
    CHECK(written < 0.99);
    CHECK(written >= evidence->measured - 1e-4);
    CHECK(written < evidence->measured + 0.0101);
    CHECK(compiled == 2);

    const std::string before = read(evidence_path(bench.files().numbers));
    REQUIRE(bench.tune().ok());
    CHECK(compiled == 4);  // the present schedules, to time them
    CHECK(read(evidence_path(bench.files().numbers)) == before);
}

TEST_CASE("a tile never grows wider than some layer's channels") {
    const Bench bench({"gated_conv_f32_3x3_c16_position", "gated_conv_f32_3x3_c32_position", stem});
    for (const Layer& layer : bench.workload.layers) {
        const int channels = common_channels({&layer});
        const Space space = bench.catalogue.space(layer.name, channels);
        for (const Numbers& n :
             make_seeds(space, {{"pixels", 8}, {"tail", 2}, {"unroll", 1}, {"vectors", 1}})) {
            CHECK(channels % (n.at("vectors") * space.lanes) == 0);
        }
    }
    // Whatever else a network has comes to these: one vector wide, or find_conv finds nothing.
    CHECK(bench.catalogue.space("gated_conv_f32_any_none", 64).channels == bench.catalogue.lanes);
    CHECK(bench.catalogue.space("gated_conv_f32_3x3_c32_position", 64).channels == 32);
}

TEST_CASE("bad candidates leave the numbers alone, and a second run tries nothing again") {
    Bench bench({stem});
    int compiled = 0;
    bench.settings.compile = [&](const Recipe& recipe, const Numbers& numbers,
                                 const fs::path& path) {
        ++compiled;
        const auto table = TunedTable::read(bench.files().base);
        return numbers == table->numbers(stem) ? start_compilation(recipe, numbers, path)
                                               : compile_source("std::abort();", path);
    };
    const auto first = bench.tune();
    REQUIRE(first.ok());
    const KernelEvidence& evidence = first.value().at(stem);
    CHECK(evidence.best == evidence.before);
    CHECK(evidence.is_finished);
    CHECK(evidence.tried.size() > 3);
    for (const auto& [numbers, outcome] : evidence.tried) {
        CHECK((numbers == evidence.before) == outcome.problem.empty());
    }
    CHECK_FALSE(fs::exists(bench.files().numbers));
    CHECK(fs::exists(evidence_path(bench.files().numbers)));

    compiled = 0;
    REQUIRE(bench.tune().ok());
    CHECK(compiled == 1);  // the present schedule, to time it

    // Measured on another CPU, none of it counts.
    bench.settings.cpu = "another";
    REQUIRE(bench.tune().ok());
    CHECK(compiled > 4);
}

TEST_CASE("an interrupt keeps the kernels that are finished") {
    Bench bench({stem, "linear_f32_any"});
    // The stem, tuned first because it takes longer, starts with numbers that any others beat.
    const fs::path poor = bench.folder / "poor.json";
    REQUIRE(merge_numbers(poor, bench.files().base,
                          {{stem, {{"pixels", 1}, {"tail", 1}, {"unroll", 1}, {"vectors", 1}}}})
                .ok());
    bench.files().base = poor;
    apps::watch_interrupts();
    int of_linear = 0;
    bench.settings.compile = [&](const Recipe& recipe, const Numbers& numbers,
                                 const fs::path& path) {
        // The first is the present schedule, before any is tuned.
        if (recipe.generator == "linear" && ++of_linear == 2) {
            ::raise(SIGINT);
        }
        return start_compilation(recipe, numbers, path);
    };
    const auto done = bench.tune();
    REQUIRE(done.ok());
    CHECK(apps::interrupted());
    REQUIRE(done.value().size() == 1);
    const Numbers best = done.value().at(stem).best;
    CHECK(best.at("pixels") > 1);
    const auto table = TunedTable::read(bench.files().numbers);
    REQUIRE(table.ok());
    CHECK(table->numbers(stem) == best);
    CHECK(table->numbers("linear_f32_any") == TunedTable::read(poor)->numbers("linear_f32_any"));

    // Only the stem's line changed.
    std::istringstream before(read(poor)), after(read(bench.files().numbers));
    int changed = 0;
    for (std::string a, b; std::getline(before, a) && std::getline(after, b);) {
        changed += a != b;
    }
    CHECK(changed == 1);
    apps::watch_interrupts();
}
