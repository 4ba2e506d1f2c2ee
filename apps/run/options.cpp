#include "run/options.h"

#include <cmath>
#include <limits>

#include <CLI/CLI.hpp>

#include "common/command_line.h"
#include "common/image_size.h"

namespace sluice::run {
namespace {

constexpr int most_threads = 256;
constexpr int most_repeats = 1000000;

constexpr const char* footer =
    "NAME is an input's or output's name in the model. Files without one are taken in the model's "
    "order.\n"
    "A .npy file may have either byte order and be row-major or column-major. float32, float16, "
    "bool and whole\n"
    "numbers up to 2^24 are taken exactly. float64 is rounded to the nearest float32.\n"
    "A symbolic batch is the inputs' own, and 1 where none is given. Symbolic heights and widths "
    "are "
    "those of\n"
    "--size, else of the first tensor of four extents. The model fixes all other extents.\n"
    "An image (JPEG, PNG, WebP, PPM, by its extension) is resized, cropped and normalised as by "
    "classify: as the\n"
    "model's metadata say, and these options in their place. Without either it is resized to the "
    "input's size,\n"
    "its samples divided by 255. An input of uint8 gets the samples as they are.\n"
    "Random inputs are numpy.random.RandomState(SEED).uniform(-1, 1, shape), one after another.\n"
    "Exit status: 0 where all is as expected, 1 where an output is not, 2 after an error.";

}  // namespace

Result<Options> parse_options(int argc, const char* const* argv) {
    Options options;
    std::optional<std::string> output;
    std::optional<std::uint32_t> seed;
    std::optional<std::string> size;
    apps::ImageTexts image;
    CLI::App app{"Runs an ONNX network on tensors.", "run"};
    app.set_version_flag("--version", "run " SLUICE_VERSION);
    app.footer(footer);
    app.add_option("--model", options.model, "ONNX file")->option_text("M.onnx")->required();
    app.add_option("--input", options.inputs, "A tensor or an image for each input")
        ->option_text("[NAME=]X.npy|IMAGE...");
    auto* random = app.add_option("--random", seed, "Fill the inputs that are not given at random")
                       ->option_text("SEED");
    app.add_flag("--zeros", options.zeros, "Fill the inputs that are not given with zeros")
        ->excludes(random);
    app.add_option("--output", output, "Write each output to DIR/<output>.npy")->option_text("DIR");
    auto* expect = app.add_option("--expect", options.expected, "What outputs should be")
                       ->option_text("[NAME=]Y.npy...");
    app.add_option("--tolerance", options.tolerance,
                   "Largest difference that passes, as a share of the largest expected magnitude; "
                   "default 1e-4")
        ->option_text("R")
        ->needs(expect)
        ->check(CLI::NonNegativeNumber);
    app.add_option("--repeat", options.repeat, "Time N runs after a first one")
        ->option_text("N")
        ->check(CLI::Range(1, most_repeats));
    app.add_option("--threads", options.threads,
                   "Threads that share a run's work; default 1. When the model is loaded, large "
                   "weights are packed on all cores (16 at most) whatever N is")
        ->option_text("N")
        ->check(CLI::Range(1, most_threads));
    app.add_option("--target", options.target,
                   "Instruction set of the kernels; default: $SLUICE_TARGET, else the best of this "
                   "CPU")
        ->option_text("T");
    app.add_flag("!--no-int8", options.int8,
                 "Compute a quantised file in float32, without the roundings between its layers");
    app.add_flag("--json", options.json, "Print one JSON object");
    app.add_flag("--explain", options.explain, "Print the plan, a line per step, and run nothing");
    apps::add_size_option(app, size);
    apps::add_image_options(app, image);
    const auto message = apps::parse_command_line(app, argc, argv, "see run --help");
    if (!message.ok()) {
        return message.status();
    }
    if (!std::isfinite(options.tolerance)) {
        return Status::error("--tolerance is not finite", "write a number such as 1e-4");
    }
    SLUICE_RETURN_IF_ERROR(apps::read_image_options(image, options.image));
    SLUICE_RETURN_IF_ERROR(apps::read_size(size, options.size));
    options.message = message.value();
    options.output = output;
    options.seed = seed;
    return options;
}

}  // namespace sluice::run
