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
    CLI::App app{"Classifies pictures with an ONNX network whose gates skip computation.",
                 "classify"};
    app.set_version_flag("--version", "classify " SLUICE_VERSION);
    app.add_option("pictures", options.paths,
                   "JPEG, PNG or PPM pictures, and folders of them (without subfolders)")
        ->option_text("IMAGE|DIR...");
    app.add_option("--model", options.model, "ONNX file")->option_text("M.onnx")->required();
    app.add_option("--labels", labels, "Class names, one a line; default: the model's own")
        ->option_text("FILE");
    app.add_option("--top", options.top, "List the N most probable classes; default 1")
        ->option_text("N")
        ->check(CLI::Range(1, std::numeric_limits<int>::max()));
    app.add_option("--threads", options.threads, "Threads that share a picture's work; default 1")
        ->option_text("N")
        ->check(CLI::Range(1, most_threads));
    app.add_option("--target", options.target,
                   "Instruction set of the kernels; default: $SLUICE_TARGET, else the best of this "
                   "CPU")
        ->option_text("T");
    auto* json = app.add_flag("--json", options.json, "Print one JSON object a picture");
    app.add_option("--masks", masks, "Write a PNG a picture that shows where the network looked")
        ->option_text("DIR");
    app.add_flag("--explain", options.explain, "Print the plan: a line a step")->excludes(json);
    app.add_option("--mean", mean, "Mean of each channel, of samples from 0 to 1")
        ->option_text("R,G,B");
    app.add_option("--std", deviation, "Standard deviation of each channel")->option_text("R,G,B");
    app.add_option("--resize", options.resize,
                   "Shorter side of a picture before its centre is cut out")
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
    if (options.paths.empty() && !options.explain) {
        return Status::error("no picture is named", "name pictures or folders, or give --explain");
    }
    return options;
}

}  // namespace sluice::classify
