#include "benchmark/command.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "benchmark/html.h"
#include "benchmark/json.h"
#include "benchmark/kernel_times.h"
#include "benchmark/markdown.h"
#include "benchmark/network_times.h"
#include "benchmark/options.h"
#include "benchmark/report_tables.h"
#include "benchmark/worker.h"
#include "common/cpus.h"
#include "common/image_size.h"
#include "common/output.h"
#include "image/files.h"

namespace sluice::benchmark {
namespace {

constexpr int success = 0;
constexpr int failure = 2;

/// Starts this program again, as a worker.
std::vector<std::string> worker_command(const std::vector<std::string>& words) {
    std::vector<std::string> command = {own_file().string()};
    command.insert(command.end(), words.begin(), words.end());
    command.emplace_back("worker");
    return command;
}

Result<std::vector<Engine>> choose_engines(const Options& options,
                                           const std::vector<std::string>& worker) {
    std::vector<Engine> engines = {our_engine(worker)};
    if (!options.int8) {
        engines[0].name += " in float32";
    }
    for (const std::string& peer : options.peers) {
        Result<Engine> engine = peer_engine(peer, options.peer_python);
        if (!engine.ok()) {
            return engine.status();
        }
        engines.push_back(std::move(engine).value());
    }
    return engines;
}

Status time_networks(const Options& options, const std::vector<std::string>& worker,
                     Report& report) {
    const Result<std::vector<Engine>> engines = choose_engines(options, worker);
    if (!engines.ok()) {
        return engines.status();
    }
    for (const std::filesystem::path& model : options.models) {
        const Result<NetworkTimes> times = time_network(
            {model, options.data, options.target, options.int8, options.threads, options.batch,
             options.size, options.seconds, options.layers, engines.value()});
        if (!times.ok()) {
            return times.status();
        }
        const NetworkTimes& found = times.value();
        SLUICE_RETURN_IF_ERROR(
            apps::print(to_text(network_table(found.results, report.machine)) + "\n"));
        if (!found.steps.empty()) {
            SLUICE_RETURN_IF_ERROR(
                apps::print(to_text(step_table(found.steps, report.machine)) + "\n"));
        }
        if (!found.layers.empty()) {
            SLUICE_RETURN_IF_ERROR(apps::print(to_text(layer_table(found.layers)) + "\n"));
        }
        const auto append = [](auto& to, const auto& from) {
            to.insert(to.end(), from.begin(), from.end());
        };
        append(report.networks, found.results);
        append(report.steps, found.steps);
        append(report.layers, found.layers);
    }
    return {};
}

Status time_kernels(const Options& options, const Target& target, Report& report) {
    Result<std::vector<KernelResult>> rows =
        time_kernels(options.kernels, target, [&report](const std::vector<KernelResult>& shape) {
            return apps::print(to_text(kernel_table(shape, report.machine)) + "\n");
        });
    if (!rows.ok()) {
        return rows.status();
    }
    report.kernels = std::move(rows).value();
    return {};
}

Status write(const std::optional<std::filesystem::path>& path, const std::string& text) {
    if (!path) {
        return {};
    }
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
    return image::write_file(*path, std::span(bytes, text.size()));
}

// What would fail after minutes of measuring fails at once.
Status check_before(const Options& options) {
    for (const auto& path : {options.json, options.html, options.markdown}) {
        const std::filesystem::path folder =
            !path || path->parent_path().empty() ? "." : path->parent_path();
        if (path && ::access(folder.c_str(), W_OK) != 0) {
            return Status(Problem{path->string(),
                                  {},
                                  std::string("cannot be written: ") + std::strerror(errno),
                                  "choose a folder that exists and is writable"});
        }
    }
    for (const std::filesystem::path& path : options.models) {
        const Result<Model> model = Model::load(
            path, {.target = options.target, .int8 = options.int8, .size = options.size});
        if (!model.ok()) {
            return model.status();
        }
        SLUICE_RETURN_IF_ERROR(
            apps::check_size(model->inputs(), options.size).in_file(path.string()));
    }
    return {};
}

// A wrong answer of anybody's is in the report, and must not pass for a success.
bool any_is_wrong(const Report& report) {
    const auto wrong = [](const auto& row) { return row.problem.starts_with("wrong answer"); };
    return std::any_of(report.networks.begin(), report.networks.end(), wrong) ||
           std::any_of(report.kernels.begin(), report.kernels.end(), wrong);
}

Result<int> measure(const Options& options, const std::vector<std::string>& worker) {
    const Result<const Target*> target = choose_target(options.target);
    if (!target.ok()) {
        return target.status();
    }
    SLUICE_RETURN_IF_ERROR(check_before(options));
    const int cores = apps::count_cores();
    if (options.pins) {
        SLUICE_RETURN_IF_ERROR(
            apps::pin_to_first_cpus(options.command == Command::kernels ? 1 : options.threads));
    }
    Report report;
    report.machine = measure_machine(cores, *target.value());
    SLUICE_RETURN_IF_ERROR(apps::print(describe(report.machine) + "\n\n"));
    if (options.command == Command::networks) {
        SLUICE_RETURN_IF_ERROR(time_networks(options, worker, report));
    }
    if (options.command == Command::kernels || options.html) {
        SLUICE_RETURN_IF_ERROR(time_kernels(options, *target.value(), report));
    }
    SLUICE_RETURN_IF_ERROR(write(options.json, to_json(report)));
    SLUICE_RETURN_IF_ERROR(write(options.markdown, to_markdown(report)));
    SLUICE_RETURN_IF_ERROR(write(options.html, to_html(report)));
    return any_is_wrong(report) ? failure : success;
}

Result<int> run(int argc, const char* const* argv, const std::vector<std::string>& words) {
    SLUICE_RETURN_IF_ERROR(apps::check_standard_streams());
    const Result<Options> options = parse_options(argc, argv);
    if (!options.ok()) {
        return options.status();
    }
    if (options.value().message) {
        SLUICE_RETURN_IF_ERROR(apps::print(*options.value().message));
        return success;
    }
    if (options.value().command == Command::worker) {
        return run_worker();
    }
    return measure(options.value(), worker_command(words));
}

}  // namespace

int command(int argc, const char* const* argv, const std::vector<std::string>& words) {
    return apps::exit_status("benchmark", [&] { return run(argc, argv, words); });
}

}  // namespace sluice::benchmark
