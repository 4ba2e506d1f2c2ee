#include "benchmark/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include <CLI/CLI.hpp>

#include "benchmark/engine.h"
#include "common/command_line.h"
#include "common/image_size.h"

namespace sluice::benchmark {
namespace {

constexpr const char* see_help = "see benchmark --help";
constexpr int most_threads = 256;
constexpr int most_batch = 1024;
constexpr int most_side = 4096;
constexpr double most_seconds = 3600;

/// The option's values as they are typed, before they are understood.
struct Texts {
    std::vector<std::string> models, peers, families, shapes, densities;
    std::optional<std::string> data, json, html, markdown, size;
};

void add_shared(CLI::App& app, Options& options, Texts& texts) {
    app.add_option("--target", options.target,
                   "Instruction set of our kernels; default: $SLUICE_TARGET, else the best of this "
                   "CPU")
        ->option_text("T");
    app.add_option("--seconds", options.seconds,
                   "Time for each engine of a network, or for each layer shape; default 2")
        ->option_text("S")
        ->check(CLI::Range(0.0, most_seconds));
    app.add_option("--json", texts.json, "Write the results as one JSON object")
        ->option_text("FILE");
    app.add_option("--html", texts.html, "Write a page with plots")->option_text("FILE");
    app.add_option("--markdown", texts.markdown, "Write tables")->option_text("FILE");
    app.add_flag("!--no-pin", options.pins, "Do not stay on the first of the CPUs");
}

void add_networks(CLI::App& app, Options& options, Texts& texts) {
    app.add_option("--model", texts.models, "ONNX files")->option_text("M.onnx...");
    app.add_option("--data", texts.data,
                   "Images, for models whose metadata say how to normalise them; others, and "
                   "without this all, get random normal values")
        ->option_text("DIR");
    app.add_option("--threads", options.threads, "Threads of each engine; default 1")
        ->option_text("N")
        ->check(CLI::Range(1, most_threads));
    app.add_option("--batch", options.batch, "Images a run; default 1")
        ->option_text("N")
        ->check(CLI::Range(1, most_batch));
    apps::add_size_option(app, texts.size);
    app.add_flag(
        "!--no-int8", options.int8,
        "Compute quantised files in float32 ourselves, without the roundings between their "
        "layers");
    app.add_flag("--layers", options.layers,
                 "Time every step, and each gated layer against our dense kernel, on one thread");
    app.add_option("--peers", texts.peers, "Other engines: onnxruntime,openvino,ncnn")
        ->option_text("LIST")
        ->delimiter(',')
        ->check(CLI::IsMember({"onnxruntime", "openvino", "ncnn"}));
    app.add_option("--peer-python", options.peer_python,
                   "Python that has them; default: the .venv-peers that make peers fills, or "
                   "python3")
        ->option_text("FILE");
}

void add_kernels(CLI::App& app, Texts& texts) {
    std::vector<std::string> families;
    std::string names;
    for (const TimedFamily& timed : timed_families) {
        families.emplace_back(timed.name);
        names += (names.empty() ? "" : ", ") + families.back();
    }
    app.add_option("--family", texts.families, "Of " + names + "; default all")
        ->option_text("LIST")
        ->delimiter(',')
        ->check(CLI::IsMember(families));
    app.add_option("--shapes", texts.shapes,
                   "Layers of 3x3 convolutions, as 56x56x64 (height, width, channels)")
        ->option_text("LIST")
        ->delimiter(',');
    app.add_option("--densities", texts.densities,
                   "Shares of the positions to compute, of Winograd's tiles for its kernels; "
                   "default 1.0,0.7,0.5,0.3,0.1")
        ->option_text("LIST")
        ->delimiter(',');
}

std::optional<LayerShape> parse_shape(const std::string& text) {
    std::array<int, 3> sizes{};
    const char* at = text.data();
    const char* const end = at + text.size();
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        if (i > 0 && (at == end || *at++ != 'x')) {
            return std::nullopt;
        }
        const auto [next, fault] = std::from_chars(at, end, sizes[i]);
        if (fault != std::errc() || sizes[i] < 1 || sizes[i] > most_side) {
            return std::nullopt;
        }
        at = next;
    }
    return at == end ? std::optional(LayerShape{sizes[0], sizes[1], sizes[2]}) : std::nullopt;
}

std::optional<double> parse_density(const std::string& text) {
    double value = 0;
    const char* const end = text.data() + text.size();
    const auto [next, fault] = std::from_chars(text.data(), end, value);
    const bool fits = fault == std::errc() && next == end && value > 0 && value <= 1;
    return fits ? std::optional(value) : std::nullopt;
}

Status read_kernels(const Texts& texts, KernelQuestion& question) {
    if (!texts.families.empty()) {
        question.families.clear();
    }
    for (const std::string& family : texts.families) {
        const auto* timed = std::find_if(std::begin(timed_families), std::end(timed_families),
                                         [&](const TimedFamily& of) { return family == of.name; });
        question.families.push_back(timed->family);
    }
    if (!texts.shapes.empty()) {
        question.shapes.clear();
    }
    for (const std::string& text : texts.shapes) {
        const std::optional<LayerShape> shape = parse_shape(text);
        if (!shape) {
            return Status::error("--shapes: '" + text + "' is no layer shape",
                                 "write height, width and channels as 56x56x64");
        }
        question.shapes.push_back(*shape);
    }
    if (!texts.densities.empty()) {
        question.densities.clear();
    }
    for (const std::string& text : texts.densities) {
        const std::optional<double> density = parse_density(text);
        if (!density) {
            return Status::error("--densities: '" + text + "' is no density",
                                 "write numbers above 0 and up to 1, as 1.0,0.5");
        }
        question.densities.push_back(*density);
    }
    return {};
}

Status read_texts(const Texts& texts, Options& options) {
    options.models.assign(texts.models.begin(), texts.models.end());
    options.peers = texts.peers;
    options.data = texts.data;
    options.json = texts.json;
    options.html = texts.html;
    options.markdown = texts.markdown;
    options.kernels.seconds = options.seconds;
    SLUICE_RETURN_IF_ERROR(apps::read_size(texts.size, options.size));
    SLUICE_RETURN_IF_ERROR(read_kernels(texts, options.kernels));
    if (options.command == Command::networks && options.models.empty()) {
        return Status::error("no model is named", "give --model M.onnx, or the command kernels");
    }
    return {};
}

}  // namespace

Result<Options> parse_options(int argc, const char* const* argv) {
    Options options;
    options.peer_python = default_peer_python();
    Texts texts;
    CLI::App app{"Times networks in our engine and others, in turn and with the same answers.",
                 "benchmark"};
    app.set_version_flag("--version", "benchmark " SLUICE_VERSION);
    add_networks(app, options, texts);
    add_shared(app, options, texts);
    CLI::App& kernels = *app.add_subcommand(
        "kernels", "Times the convolution kernels alone, at each density of random masks");
    add_kernels(kernels, texts);
    add_shared(kernels, options, texts);
    // The other side of engine.h, started by this program itself.
    CLI::App& worker = *app.add_subcommand("worker", "")->group("");
    app.require_subcommand(0, 1);
    const auto message = apps::parse_command_line(app, argc, argv, see_help);
    if (!message.ok()) {
        return message.status();
    }
    if (message.value()) {
        options.message = message.value();
        return options;
    }
    options.command = worker.parsed()    ? Command::worker
                      : kernels.parsed() ? Command::kernels
                                         : Command::networks;
    if (options.command == Command::worker) {
        return options;
    }
    SLUICE_RETURN_IF_ERROR(read_texts(texts, options));
    return options;
}

}  // namespace sluice::benchmark
