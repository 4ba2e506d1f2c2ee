#include <catch2/catch.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "autotune/interrupt.h"
#include "autotune/kernel_job.h"
#include "autotune/tune.h"

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
    const std::string command = std::string(SLUICE_CXX) + " -shared -fPIC -o '" +
                                library.string() + "' '" + source + "'";
    return Child::start([command] {
        return std::string(std::system(command.c_str()) == 0 ? "" : "no compiler");
    });
}

/// The demo's steps of the kernels named, and numbers of our own for them.
class Bench {
public:
    explicit Bench(const std::vector<std::string>& kernels) {
        std::string name = (fs::temp_directory_path() / "sluice-autotune-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        folder = name;
        auto read_in = read_catalogue(SLUICE_SOURCE, best_target().id);
        REQUIRE(read_in.ok());
        catalogue = std::move(read_in).value();
        auto found = find_workload({fs::path(SLUICE_SOURCE) / "models/resnet20_lccl_cifar10.onnx"},
                                   best_target(), catalogue, std::nullopt);
        REQUIRE(found.ok());
        workload = std::move(found).value();
        std::erase_if(workload.layers, [&](const Layer& layer) {
            return std::find(kernels.begin(), kernels.end(), layer.kernel) == kernels.end();
        });
        REQUIRE(workload.layers.size() >= kernels.size());
        const fs::path tuned = fs::path(SLUICE_TUNED) / (catalogue.target + ".json");
        settings = {"test", 2, 60, folder / "t.json", tuned, folder, start_compilation};
    }
    ~Bench() { fs::remove_all(folder); }

    Result<Evidence> tune() {
        Progress progress;
        return autotune::tune(workload, catalogue, settings, progress);
    }
    Verdict judge(const std::string& body) {
        const auto table = TunedTable::read(settings.base);
        REQUIRE(table.ok());
        KernelJob job(workload.layers[0].kernel, {&workload.layers[0]}, catalogue, table.value(),
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
    Catalogue catalogue;
    Workload workload;
    TuneSettings settings;
};

const std::string stem = "dense_conv_3x3_c3";

}  // namespace

TEST_CASE("the shipped schedule, compiled in process, gives the plan's answers") {
    for (const char* kernel : {"dense_conv_3x3_c3", "gated_conv_3x3_c16", "branch_3x3_c32",
                               "linear_any"}) {
        INFO(kernel);
        Bench bench({kernel});
        const auto table = TunedTable::read(bench.settings.base);
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
    // Argument 13 is the output: a halide_buffer_t, whose third field is the memory.
    const std::string memory = "float* y = static_cast<float**>(a[13])[2];";
    CHECK_THAT(bench.judge("std::abort();").problem, Catch::Contains("crashed"));
    CHECK_THAT(bench.judge("volatile int* p = 0; *p = 1;").problem, Catch::Contains("crashed"));
    CHECK_THAT(bench.judge("for (volatile int i = 0;; ) { i = i + 1; }").problem,
               Catch::Contains("did not end in time"));
    CHECK_THAT(bench.judge("std::exit(3);").problem, Catch::Contains("ended with code 3"));
    CHECK_THAT(bench.judge("std::_Exit(0);").problem, Catch::Contains("without an answer"));
    CHECK_THAT(bench.judge(";").problem, Catch::Contains("not finite, or none"));
    CHECK_THAT(bench.judge(memory + "y[-1] = 0;").problem,
               Catch::Contains("outside its output"));
}

TEST_CASE("schedules of another width or tail give the same answers") {
    Bench bench({"gated_conv_3x3_c32"});
    const auto table = TunedTable::read(bench.settings.base);
    REQUIRE(table.ok());
    KernelJob job("gated_conv_3x3_c32", {&bench.workload.layers[0], &bench.workload.layers.back()},
                  bench.catalogue, table.value(), bench.settings);
    std::vector<Numbers> candidates = {job.present()};
    for (const int tail : {1, 3, 5}) {
        candidates.push_back({{"pixels", 6}, {"tail", tail}, {"unroll", 3}, {"vectors", 1}});
    }
    std::map<Numbers, std::string> problems;
    REQUIRE(job.compile(candidates, problems).ok());
    CHECK(problems.empty());
    job.load();
    for (const Numbers& numbers : candidates) {
        const auto verdict = job.judge(numbers, {1, 20});
        REQUIRE(verdict.ok());
        CHECK(verdict->problem == "");
    }
}

TEST_CASE("a tile never grows wider than some layer's channels") {
    const Bench bench({"gated_conv_3x3_c16", "gated_conv_3x3_c32", stem});
    for (const Layer& layer : bench.workload.layers) {
        const int channels = common_channels({&layer});
        const Space space = bench.catalogue.space(layer.kernel, channels);
        for (const Numbers& n : make_seeds(space, {{"pixels", 8}, {"tail", 2}, {"unroll", 1},
                                                   {"vectors", 1}})) {
            CHECK(channels % (n.at("vectors") * space.lanes) == 0);
        }
    }
    // Whatever else a network has comes to these: one vector wide, or find_conv finds nothing.
    CHECK(bench.catalogue.space("dense_conv_any", 64).channels == bench.catalogue.lanes);
    CHECK(bench.catalogue.space("gated_conv_3x3_c32", 64).channels == 32);
}

TEST_CASE("bad candidates leave the numbers alone, and a second run tries nothing again") {
    Bench bench({stem});
    int compiled = 0;
    bench.settings.compile = [&](const Recipe& recipe, const Numbers& numbers,
                                 const fs::path& path) {
        ++compiled;
        const auto table = TunedTable::read(bench.settings.base);
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
    CHECK_FALSE(fs::exists(bench.settings.numbers));
    CHECK(fs::exists(evidence_path(bench.settings.numbers)));

    compiled = 0;
    REQUIRE(bench.tune().ok());
    CHECK(compiled == 1);  // the present schedule, to time it

    // Measured on another CPU, none of it counts.
    bench.settings.cpu = "another";
    REQUIRE(bench.tune().ok());
    CHECK(compiled > 4);
}

TEST_CASE("an interrupt keeps the kernels that are finished") {
    Bench bench({stem, "linear_any"});
    // The stem, tuned first because it takes longer, starts with numbers that any others beat.
    const fs::path poor = bench.folder / "poor.json";
    REQUIRE(merge_numbers(poor, bench.settings.base,
                          {{stem, {{"pixels", 1}, {"tail", 1}, {"unroll", 1}, {"vectors", 1}}}})
                .ok());
    bench.settings.base = poor;
    watch_interrupts();
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
    CHECK(interrupted());
    REQUIRE(done.value().size() == 1);
    const Numbers best = done.value().at(stem).best;
    CHECK(best.at("pixels") > 1);
    const auto table = TunedTable::read(bench.settings.numbers);
    REQUIRE(table.ok());
    CHECK(table->numbers(stem) == best);
    CHECK(table->numbers("linear_any") == TunedTable::read(poor)->numbers("linear_any"));

    // Only the stem's line changed.
    std::istringstream before(read(poor)), after(read(bench.settings.numbers));
    int changed = 0;
    for (std::string a, b; std::getline(before, a) && std::getline(after, b);) {
        changed += a != b;
    }
    CHECK(changed == 1);
    watch_interrupts();
}
