#include "run/command.h"

#include <chrono>

#include "common/image_size.h"
#include "common/output.h"
#include "run/image_input.h"
#include "run/json.h"
#include "run/network.h"
#include "run/options.h"
#include "run/output_files.h"

namespace sluice::run {
namespace {

constexpr int success = 0;
constexpr int unexpected = 1;

/// What each output should be; none where nothing is said of it.
using Expected = std::vector<std::optional<npy::Array>>;

Result<Expected> read_expected(const Files& files) {
    Expected expected(files.size());
    for (std::size_t i = 0; i < files.size(); ++i) {
        if (!files[i]) {
            continue;
        }
        Result<npy::Array> read = npy::read(*files[i]);
        if (!read.ok()) {
            return read.status();
        }
        expected[i] = std::move(read).value();
    }
    return expected;
}

Result<apps::Times> time_runs(Network& network, int runs) {
    std::vector<double> milliseconds;
    for (int i = 0; i < runs; ++i) {
        const auto start = std::chrono::steady_clock::now();
        SLUICE_RETURN_IF_ERROR(network.run());
        const std::chrono::duration<double, std::milli> elapsed =
            std::chrono::steady_clock::now() - start;
        milliseconds.push_back(elapsed.count());
    }
    return apps::summarise(milliseconds);
}

Report make_report(const Network& network, const Options& options, const Files& inputs,
                   const Expected& expected) {
    Report report{options.model.string(), network.model().target(), options.threads, {}, {}, {}};
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        report.inputs.push_back(
            {network.model().inputs()[i].name, network.inputs()[i].shape,
             inputs[i] ? inputs[i]->string() : (options.zeros ? "zeros" : "random")});
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const npy::Array& output = network.outputs()[i];
        report.outputs.push_back({network.model().outputs()[i].name, output.shape,
                                  range_of(output.values), std::nullopt, std::nullopt});
        if (expected[i]) {
            report.outputs[i].comparison = compare(output, *expected[i], options.tolerance);
        }
    }
    return report;
}

Status write_files(const Network& network, const std::filesystem::path& folder, Report& report) {
    std::vector<std::string> names;
    for (const OutputReport& output : report.outputs) {
        names.push_back(output.name);
    }
    const auto written = write_outputs(folder, names, network.outputs());
    if (!written.ok()) {
        return written.status();
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
        report.outputs[i].file = written.value()[i];
    }
    return {};
}

Result<Network> load(const Options& options) {
    const std::optional<ImageSize> size =
        options.size ? options.size : size_of_first_tensor(options.inputs);
    Result<Network> network =
        Network::load(options.model, {.target = options.target, .int8 = options.int8, .size = size},
                      options.threads);
    if (network.ok()) {
        SLUICE_RETURN_IF_ERROR(apps::check_size(network->model().inputs(), options.size)
                                   .in_file(options.model.string()));
    }
    return network;
}

Result<image::Preprocessing> read_preprocessing(const Network& network, const Options& options) {
    const Result<image::Preprocessing> read = image::read_preprocessing(network.model().metadata());
    if (!read.ok()) {
        return Status(read.status()).in_file(options.model.string());
    }
    return options.image.over(read.value());
}

Result<int> run_network(const Options& options) {
    Result<Network> loaded = load(options);
    if (!loaded.ok()) {
        return loaded.status();
    }
    Network network = std::move(loaded).value();
    if (options.explain) {
        SLUICE_RETURN_IF_ERROR(apps::print(network.model().explain()));
        return success;
    }
    const Result<image::Preprocessing> preprocessing = read_preprocessing(network, options);
    if (!preprocessing.ok()) {
        return preprocessing.status();
    }
    const Result<Files> inputs = share_out(options.inputs, network.model().inputs(), "--input");
    if (!inputs.ok()) {
        return inputs.status();
    }
    const Result<Files> files = share_out(options.expected, network.model().outputs(), "--expect");
    if (!files.ok()) {
        return files.status();
    }
    const Result<Expected> expected = read_expected(files.value());
    if (!expected.ok()) {
        return expected.status();
    }
    SLUICE_RETURN_IF_ERROR(
        network.read_inputs(inputs.value(), {options.seed, options.zeros}, preprocessing.value()));
    SLUICE_RETURN_IF_ERROR(network.run());
    std::optional<apps::Times> times;
    if (options.repeat > 0) {
        const Result<apps::Times> timed = time_runs(network, options.repeat);
        if (!timed.ok()) {
            return timed.status();
        }
        times = timed.value();
    }
    Report report = make_report(network, options, inputs.value(), expected.value());
    report.times = times;
    if (options.output) {
        SLUICE_RETURN_IF_ERROR(write_files(network, *options.output, report));
    }
    SLUICE_RETURN_IF_ERROR(apps::print(options.json ? to_json(report) + "\n" : to_text(report)));
    return report.passes() ? success : unexpected;
}

Result<int> run(int argc, const char* const* argv) {
    SLUICE_RETURN_IF_ERROR(apps::check_standard_streams());
    const Result<Options> options = parse_options(argc, argv);
    if (!options.ok()) {
        return options.status();
    }
    if (options.value().message) {
        SLUICE_RETURN_IF_ERROR(apps::print(*options.value().message));
        return success;
    }
    return run_network(options.value());
}

}  // namespace

int command(int argc, const char* const* argv) {
    return apps::exit_status("run", [&] { return run(argc, argv); });
}

}  // namespace sluice::run
