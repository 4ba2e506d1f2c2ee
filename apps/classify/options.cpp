#include "classify/options.h"

#include <limits>

#include <CLI/CLI.hpp>

#include "common/command_line.h"
#include "common/image_size.h"

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
a folder or --evaluate, a last line {"summary": {...}} follows. --gates adds image, a PNG in base64, and
gates, an object per gated layer; its active counts the active gates at each position, row by row.

--sigmoid: a single score decides no class and is printed as it is. With this flag it is the logit of the
second of two class names, and the first has the rest of the probability. With one name or none it is the
logit of the only class.)";

}  // namespace

Result<Options> parse_options(int argc, const char* const* argv) {
    Options options;
    apps::ImageTexts texts;
    std::optional<std::string> size;
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
    app.add_flag("!--no-int8", options.int8,
                 "Compute a quantised file in float32, without the roundings between its layers");
    app.add_flag(
        "--evaluate", options.evaluate,
        "Take the name of the folder that an image lies in, DIR/CLASS/IMAGE, for its class; "
        "end with top-1, top-5, the mean share of MACs skipped and images per second");
    app.add_flag("--sigmoid", options.sigmoid,
                 "Print the sigmoid of a single score as a probability");
    auto* json = app.add_flag("--json", options.json, "Print one JSON object per image");
    app.add_flag("--gates", options.gates,
                 "Add to --json the image as the network sees it, and where each gate is active")
        ->needs(json);
    app.add_option("--masks", masks, "Write a PNG per image that shows where the network looked")
        ->option_text("DIR");
    app.add_flag("--explain", options.explain, "Print the plan, a line per step")->excludes(json);
    apps::add_image_options(app, texts);
    apps::add_size_option(app, size);
    const auto message = apps::parse_command_line(app, argc, argv, see_help);
    if (!message.ok()) {
        return message.status();
    }
    if (message.value()) {
        options.message = message.value();
        return options;
    }
    SLUICE_RETURN_IF_ERROR(apps::read_image_options(texts, options.image));
    SLUICE_RETURN_IF_ERROR(apps::read_size(size, options.size));
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
