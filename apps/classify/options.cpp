#include "classify/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <CLI/CLI.hpp>

#include "common/command_line.h"
#include "image/preprocess.h"

namespace sluice::classify {
namespace {

constexpr const char* see_help = "see classify --help";
constexpr int most_threads = 256;

constexpr const char* footer =
    R"(Folders are searched with all folders below them. Hidden files are left out. Files that are not named
like an image are skipped and named in the summary. Results come in the order of the paths, sorted within
a folder, whatever --threads says. An image that cannot be read, or whose scores are not finite, is
reported on standard error; the others go on, and the exit status is 2.

--threads: each thread reads, prepares and runs images of its own. A single image is shared out by its
layers. When the model is loaded, large weights are packed on all cores (16 at most) whatever N is.

--evaluate: a folder must have the name of a class. For a model without class names, the folders' names
in sorted order name its classes. Images per second count wall time from the first image's reading to the
last result, without the loading of the model.

--json: one line per image with file, class, index, probability, scores, latency_ms, macs, macs_executed
and, with --top, top. null stands for a number that is not finite and for a class that is not decided. With
a folder or --evaluate, a last line {"summary": {...}} follows.

--sigmoid: a single score decides no class and is printed as it is. With this flag it is the logit of the
second of two class names, and the first has the rest of the probability. With one name or none it is the
logit of the only class.)";

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
    std::optional<std::string> interpolation;
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
    app.add_flag(
        "--evaluate", options.evaluate,
        "Take the name of the folder that an image lies in, DIR/CLASS/IMAGE, for its class; "
        "end with top-1, top-5, the mean share of MACs skipped and images per second");
    app.add_flag("--sigmoid", options.sigmoid,
                 "Print the sigmoid of a single score as a probability");
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
        ->check(CLI::Range(1, static_cast<int>(image::max_side)));
    app.add_option("--interpolation", interpolation, "Filter of an image's resize")
        ->option_text("bilinear|bicubic")
        ->check(CLI::IsMember({"bilinear", "bicubic"}));
    const auto message = apps::parse_command_line(app, argc, argv, see_help);
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
    if (interpolation) {
        options.interpolation = image::parse_interpolation(*interpolation);
    }
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
