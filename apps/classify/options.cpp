#include "classify/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <CLI/CLI.hpp>

#include "classify/command_line.h"
#include "picture/picture.h"

namespace sluice::classify {
namespace {

constexpr const char* see_help = "see classify --help";
constexpr int most_threads = 256;

constexpr const char* footer =
    R"(Folders are searched with all folders below them; hidden files are left out, and files that are not
named like an image are counted as skipped at the end. Results come in the order of the paths, those of
a folder sorted, for any number of threads. Where an image cannot be read, or its scores are not finite,
a line on standard error says so, the others go on, and the exit status is 2.

With several images each thread reads, prepares and runs images of its own; with one, the threads share
its layers. --evaluate takes a model without class names to be of the folders' names in sorted order,
where there are as many as classes. Its images per second are of wall time, from the first file that is
read to the last result; loading the model is not in them.

--json prints a line per image with the keys file, class, index, probability, scores, latency_ms, macs,
macs_executed and, with --top, top; null stands for what is not finite or not decided. Where a folder is
named, or with --evaluate, a last line {"summary": ...} follows.

A single score decides no class: it is printed as it is. --sigmoid takes it for the logit of the second
of two class names, the first having the rest of the probability, or of the only class.)";

std::optional<std::array<float, 3>> parse_triple(const std::string& text) {
    std::array<float, 3> triple;
    const char* at = text.data();
    const char* const end = at + text.size();
    for (std::size_t c = 0; c < 3; ++c) {
        if (c > 0 && (at == end || *at++ != ',')) {
            return std::nullopt;
        }
        const auto [next, fault] = std::from_chars(at, end, triple[c]);
        if (fault != std::errc() || !std::isfinite(triple[c])) {
            return std::nullopt;
        }
        at = next;
    }
    return at == end ? std::optional(triple) : std::nullopt;
}

Status read_normalisation(const std::optional<std::string>& mean,
                          const std::optional<std::string>& deviation, Options& options) {
    if (mean && !(options.mean = parse_triple(*mean))) {
        return Status::error("--mean: '" + *mean + "' is not three numbers",
                             "write them as 0.5,0.5,0.5");
    }
    if (!deviation) {
        return {};
    }
    options.deviation = parse_triple(*deviation);
    if (!options.deviation || std::any_of(options.deviation->begin(), options.deviation->end(),
                                          [](float value) { return value <= 0.0f; })) {
        return Status::error("--std: '" + *deviation + "' is not three positive numbers",
                             "write them as 0.25,0.25,0.25");
    }
    return {};
}

}  // namespace

Result<Options> parse_options(int argc, const char* const* argv) {
    Options options;
    std::optional<std::string> mean;
    std::optional<std::string> deviation;
    std::optional<std::string> labels;
    std::optional<std::string> masks;
    CLI::App app{"Classifies images with an ONNX network whose gates skip computation.",
                 "classify"};
    app.set_version_flag("--version", "classify " SLUICE_VERSION);
    app.footer(footer);
    app.add_option("images", options.paths,
                   "JPEG, PNG, WebP or PPM images, and folders to search for them and below")
        ->option_text("IMAGE|DIR...");
    app.add_option("--model", options.model, "ONNX file")->option_text("M.onnx")->required();
    app.add_option("--labels", labels, "Class names, one per line; default: the model's own")
        ->option_text("FILE");
    app.add_option("--top", options.top, "List the N most probable classes; default 1")
        ->option_text("N")
        ->check(CLI::Range(1, std::numeric_limits<int>::max()));
    app.add_option("--threads", options.threads,
                   "Threads that share out the images, or the layers of a single image; default 1")
        ->option_text("N")
        ->check(CLI::Range(1, most_threads));
    app.add_option("--target", options.target,
                   "Instruction set of the kernels; default: $SLUICE_TARGET, else the best of this "
                   "CPU")
        ->option_text("T");
    app.add_flag("--evaluate", options.evaluate,
                 "Compare with the name of the folder that each image lies in, DIR/CLASS/IMAGE; "
                 "end with top-1, top-5, the share of MACs skipped and images per second");
    app.add_flag("--sigmoid", options.sigmoid,
                 "Of a model with a single score: print its sigmoid as a probability");
    auto* json = app.add_flag("--json", options.json, "Print one JSON object per image");
    app.add_option("--masks", masks, "Write a PNG per image that shows where the network looked")
        ->option_text("DIR");
    app.add_flag("--explain", options.explain, "Print the plan, a line per step")->excludes(json);
    app.add_option("--mean", mean, "Mean of each channel, of samples from 0 to 1")
        ->option_text("R,G,B");
    app.add_option("--std", deviation, "Standard deviation of each channel")->option_text("R,G,B");
    app.add_option("--resize", options.resize,
                   "Shorter side of an image before its centre is cut out")
        ->option_text("N")
        ->check(CLI::Range(1, static_cast<int>(picture::max_side)));
    const auto message = parse_command_line(app, argc, argv, see_help);
    if (!message.ok()) {
        return message.status();
    }
    if (message.value()) {
        options.message = message.value();
        return options;
    }
    SLUICE_RETURN_IF_ERROR(read_normalisation(mean, deviation, options));
    options.labels = labels;
    options.masks = masks;
    if (options.paths.empty() && options.evaluate) {
        return Status::error("--evaluate: no image is named",
                             "name a folder of a folder per class");
    }
    if (options.paths.empty() && !options.explain) {
        return Status::error("no image is named", "name images or folders, or give --explain");
    }
    return options;
}

}  // namespace sluice::classify
