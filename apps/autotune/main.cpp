// autotune: networks in, faster numbers for the schedules of their kernels out.

#include "autotune/options.h"
#include "autotune/report.h"
#include "autotune/tune.h"
#include "common/cpus.h"
#include "common/interrupt.h"
#include "common/output.h"
#include "common/temporary_folder.h"

namespace sluice::autotune {
namespace {

constexpr int success = 0;
constexpr int stopped = 130;  // as shells report SIGINT

using Path = std::filesystem::path;

/// What is kept beside `output`, or else beside the numbers of the target and of its base.
Result<int> report(const Catalogue& catalogue, const std::optional<Path>& output) {
    std::vector<Path> files;
    for (const auto& [target, tuned] : catalogue.tuned) {
        files.push_back(evidence_path(output.value_or(tuned.back())));
    }
    Evidence all;
    for (const Path& file : files) {
        Result<Evidence> evidence = read_evidence(file);
        if (!evidence.ok()) {
            return evidence.status();
        }
        all.merge(evidence.value());
    }
    if (all.empty()) {
        return Status(
            Problem{files.back().string(), {}, "holds no evidence yet", "tune a model first"});
    }
    SLUICE_RETURN_IF_ERROR(apps::print(draw_report(all)));
    return success;
}

/// The files of the targets that the workload's kernels are for.
Result<std::map<std::string, TunedFiles>> choose_files(const Workload& workload,
                                                       const Catalogue& catalogue,
                                                       const std::optional<Path>& output) {
    std::map<std::string, TunedFiles> files;
    for (const Layer& layer : workload.layers) {
        std::vector<Path> below = catalogue.tuned.at(layer.kernel->target);
        const Path base = below.back();
        below.pop_back();
        files[layer.kernel->target] = {output.value_or(base), base, std::move(below)};
    }
    if (output && files.size() > 1) {
        return Status(Problem{output->string(),
                              {},
                              "cannot hold the numbers of both " + files.begin()->first + " and " +
                                  files.rbegin()->first,
                              "leave out --output, or choose one's kernels with --kernel"});
    }
    return files;
}

Result<int> run(int argc, const char* const* argv) {
    SLUICE_RETURN_IF_ERROR(apps::check_standard_streams());
    const Result<Options> parsed = parse_options(argc, argv);
    if (!parsed.ok()) {
        return parsed.status();
    }
    const Options& options = parsed.value();
    if (options.message) {
        SLUICE_RETURN_IF_ERROR(apps::print(*options.message));
        return success;
    }
    const Result<const Target*> target = choose_target(options.target);
    if (!target.ok()) {
        return target.status();
    }
    const std::filesystem::path source(SLUICE_SOURCE_DIR);
    const Result<Catalogue> catalogue = read_catalogue(source, *target.value());
    if (!catalogue.ok()) {
        return catalogue.status();
    }
    if (options.report) {
        return report(catalogue.value(), options.output);
    }
    Result<Workload> workload =
        find_workload(options.models, *target.value(), catalogue.value(), options.data);
    if (!workload.ok()) {
        return workload.status();
    }
    SLUICE_RETURN_IF_ERROR(keep_kernels(workload.value(), options.kernels));
    const auto files = choose_files(workload.value(), catalogue.value(), options.output);
    if (!files.ok()) {
        return files.status();
    }
    const Result<apps::TemporaryFolder> folder = apps::TemporaryFolder::create();
    if (!folder.ok()) {
        return folder.status();
    }
    apps::watch_interrupts();
    Progress progress;
    const Result<Evidence> evidence =
        tune(workload.value(), catalogue.value(),
             {apps::cpu_name(), options.threads, options.budget, files.value(), folder->path()},
             progress);
    if (!evidence.ok()) {
        return evidence.status();
    }
    if (!evidence.value().empty()) {
        SLUICE_RETURN_IF_ERROR(apps::print(draw_report(evidence.value())));
    }
    if (apps::interrupted()) {
        progress.say("interrupted; what was finished is kept, and another run goes on from there");
        return stopped;
    }
    return success;
}

}  // namespace
}  // namespace sluice::autotune

int main(int argc, char** argv) {
    using namespace sluice;
    return apps::exit_status("autotune", [&] { return autotune::run(argc, argv); });
}
