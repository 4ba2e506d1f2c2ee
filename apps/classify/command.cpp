#include "classify/command.h"

#include <cstddef>

#include "classify/classify_images.h"
#include "common/interrupt.h"
#include "common/output.h"

namespace sluice::classify {
namespace {

constexpr int success = 0;
constexpr int failure = 2;
constexpr int stopped = 130;  // as shells report SIGINT

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
    const apps::Gathered gathered = apps::gather(options.paths);
    for (const Status& failed : gathered.failures) {
        apps::print_failure("classify", failed);
    }
    if (gathered.images.empty() && !options.explain) {
        return failure;
    }
    Result<Network> network = Network::load(options);
    if (!network.ok()) {
        return network.status();
    }
    if (options.explain) {
        SLUICE_RETURN_IF_ERROR(apps::print(network->model().explain()));
    }
    std::size_t failed = 0;
    if (!gathered.images.empty()) {
        SLUICE_RETURN_IF_ERROR(classify_images(network.value(), options, gathered, failed));
    }
    return failed == 0 && gathered.failures.empty() ? success : failure;
}

}  // namespace

int command(int argc, const char* const* argv) {
    return apps::exit_status(
        "classify", [&] { return run(argc, argv); },
        [] { return apps::interrupted() ? stopped : failure; });
}

}  // namespace sluice::classify
