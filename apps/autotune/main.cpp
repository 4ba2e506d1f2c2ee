// autotune: networks in, faster numbers for the schedules of their kernels out.

#include <exception>

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
constexpr int failure = 2;
constexpr int stopped = 130;  // as shells report SIGINT

Result<int> report(const std::filesystem::path& numbers) {
    const std::filesystem::path path = evidence_path(numbers);
    const Result<Evidence> evidence = read_evidence(path);
    if (!evidence.ok()) {
        return evidence.status();
    }
    if (evidence.value().empty()) {
        return Status(Problem{path.string(), {}, "holds no evidence yet", "tune a model first"});
    }
    SLUICE_RETURN_IF_ERROR(apps::print(draw_report(evidence.value())));
    return success;
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
    Result<const Target*> target = choose_target(options.target);
    if (target.ok() && target.value()->base[0] != '\0') {
        // What can be tuned is its base's.
        target = choose_target(target.value()->base);
    }
    if (!target.ok()) {
        return target.status();
    }
    const std::filesystem::path source(SLUICE_SOURCE_DIR);
    const Result<Catalogue> catalogue = read_catalogue(source, target.value()->id);
    if (!catalogue.ok()) {
        return catalogue.status();
    }
    std::vector<std::filesystem::path> below = catalogue->tuned;
    const std::filesystem::path base = below.back();
    below.pop_back();
    const std::filesystem::path numbers = options.output.value_or(base);
    if (options.report) {
        return report(numbers);
    }
    Result<Workload> workload =
        find_workload(options.models, *target.value(), catalogue.value(), options.data);
    if (!workload.ok()) {
        return workload.status();
    }
    SLUICE_RETURN_IF_ERROR(keep_kernels(workload.value(), options.kernels));
    const Result<apps::TemporaryFolder> folder = apps::TemporaryFolder::create();
    if (!folder.ok()) {
        return folder.status();
    }
    apps::watch_interrupts();
    Progress progress;
    const Result<Evidence> evidence =
        tune(workload.value(), catalogue.value(),
             {apps::cpu_name(), options.threads, options.budget, numbers, base, folder->path(),
              start_compilation, below},
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
    Status failed;
    try {
        const Result<int> code = autotune::run(argc, argv);
        if (code.ok()) {
            return code.value();
        }
        failed = code.status();
    } catch (const std::exception& exception) {
        // Not enough memory, in practice: nothing else here throws.
        failed = Status::error(exception.what(), "free some memory");
    }
    apps::print_failure("autotune", failed);
    return autotune::failure;
}
