#include "autotune/options.h"

#include <CLI/CLI.hpp>

#include "common/command_line.h"
#include "common/cpus.h"

namespace sluice::autotune {
namespace {

constexpr const char* see_help = "see autotune --help";
constexpr int most_threads = 256;
constexpr double least_budget = 1, most_budget = 86400;
// ResNet-20 in under five minutes, its reading and the last kernel's confirmation included.
constexpr double default_budget = 240;

}  // namespace

Result<Options> parse_options(int argc, const char* const* argv) {
    Options options;
    options.threads = apps::count_cores();
    options.budget = default_budget;
    std::vector<std::string> models;
    std::optional<std::string> data, output;
    CLI::App app{
        "Searches for faster schedules of the kernels that networks use, on this machine, "
        "and writes their numbers.",
        "autotune"};
    app.set_version_flag("--version", "autotune " SLUICE_VERSION);
    app.add_option("--model", models,
                   "ONNX files; a kernel that several use is tuned for all of them")
        ->option_text("M.onnx...");
    app.add_option("--data", data,
                   "Images, whose gates give the densities; default: 1.0, 0.5 and 0.2")
        ->option_text("DIR");
    app.add_option("--kernel", options.kernels,
                   "Tune these alone, by name or shell pattern: 'winograd_conv_*'; default: all")
        ->option_text("PATTERN...");
    app.add_option("--target", options.target,
                   "Instruction set to tune for, one that this CPU runs; default: $SLUICE_TARGET, "
                   "else the best")
        ->option_text("T");
    app.add_option("--threads", options.threads,
                   "Candidates to compile at a time; default: one a CPU. Timing uses one CPU")
        ->option_text("N")
        ->check(CLI::Range(1, most_threads));
    app.add_option("--budget", options.budget, "Time for the whole search; default 240")
        ->option_text("SECONDS")
        ->check(CLI::Range(least_budget, most_budget));
    app.add_option(
           "--output", output,
           "Numbers to improve; default: <target>.json of the build's SLUICE_TUNED, else of "
           "schedules/tuned")
        ->option_text("FILE");
    app.add_flag("--report", options.report,
                 "Print what the kept evidence says, and measure nothing");
    const auto message = apps::parse_command_line(app, argc, argv, see_help);
    if (!message.ok()) {
        return message.status();
    }
    if (message.value()) {
        options.message = message.value();
        return options;
    }
    options.models.assign(models.begin(), models.end());
    options.data = data;
    options.output = output;
    if (options.models.empty() && !options.report) {
        return Status::error("no model is named", "give --model M.onnx, or --report");
    }
    return options;
}

}  // namespace sluice::autotune
