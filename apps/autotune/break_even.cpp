#include "autotune/break_even.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "autotune/report.h"
#include "common/statistics.h"

namespace sluice::autotune {
namespace {

constexpr std::size_t repeats = 3;  ///< each in a process of its own
constexpr Patience patience{31, 60};

constexpr int pair_taps = 9;  ///< of sparse_conv's 3x3 windows

const Kernel& kernel_of(const KernelJob& job) { return *job.layers()[0]->kernel; }

/// Whether layers of a kernel that has a break-even are computed position by position by the other.
bool are_rivals(const Kernel& direct, const Kernel& kernel) {
    return direct.algorithm == Algorithm::gated_conv && direct.gate == kernel.gate &&
           (kernel.algorithm == Algorithm::winograd_conv ||
            kernel.algorithm == Algorithm::sparse_conv);
}

/// A layer that both kernels compute, and where any output of it is active, by its place in each.
struct Shared {
    std::size_t kernel, direct;
};

std::vector<Shared> shared_layers(const KernelJob& kernel, const KernelJob& direct) {
    std::vector<Shared> shared;
    for (std::size_t i = 0; i < kernel.layers().size(); ++i) {
        for (std::size_t j = 0; j < direct.layers().size(); ++j) {
            const Layer& layer = *kernel.layers()[i];
            if (layer.shape == direct.layers()[j]->shape && layer.loads.front().outputs > 0) {
                shared.push_back({i, j});
            }
        }
    }
    return shared;
}

/// Compiles numbers of a kernel; false where that is not possible.
Result<bool> compiles(KernelJob& job, const Numbers& numbers) {
    std::map<Numbers, std::string> problems;
    SLUICE_RETURN_IF_ERROR(job.compile({numbers}, problems));
    return problems.empty();
}

/// Of counting and listing the pairs, which a run does for nothing else: the first quartile, as of
/// kernels.
double lists_ms(const LayerCase& of) {
    const Call call = of.start(*of.layer().kernel);
    of.prepare(*call.run, 0);
    std::vector<double> samples(static_cast<std::size_t>(patience.rounds));
    std::generate(samples.begin(), samples.end(), [&] { return call.run->time_pair_lists(); });
    std::sort(samples.begin(), samples.end());
    return apps::percentile(samples, 25);
}

/// Of the most active gates alone: a kernel computes few tiles, or pairs, in the time of a tail,
/// which says more of the list's end than of a tile.
double break_even_of(const std::vector<Shared>& shared, const KernelJob& kernel,
                     const KernelJob& direct, const Verdict& verdict) {
    const bool has_pairs = kernel_of(kernel).algorithm == Algorithm::sparse_conv;
    double unit_ms = 0, units = 0, position_ms = 0, positions = 0;
    for (std::size_t i = 0; i < shared.size(); ++i) {
        const Load& load = kernel.layers()[shared[i].kernel]->loads.front();
        const Load& in_positions = direct.layers()[shared[i].direct]->loads.front();
        const LoadTimes& times = verdict.times[i].front();
        const double weight = kernel.weight(shared[i].kernel);
        unit_ms += weight * (times.candidate_ms +
                             (has_pairs ? lists_ms(kernel.layer_case(shared[i].kernel)) : 0));
        units += weight * static_cast<double>(has_pairs ? load.outputs : load.entries);
        position_ms += weight * times.present_ms;
        positions += weight * static_cast<double>(in_positions.entries);
    }
    const double of_position = unit_ms / units / (position_ms / positions);
    if (has_pairs) {
        return 1 / (double{pair_taps} * of_position);
    }
    const double side = kernel_of(kernel).as<WinogradInfo>().side;
    return of_position / (side * side);
}

}  // namespace

bool is_direct_of(const KernelJob& direct, const KernelJob& kernel) {
    return are_rivals(kernel_of(direct), kernel_of(kernel)) &&
           !shared_layers(kernel, direct).empty();
}

Result<std::optional<BreakEven>> measure_break_even(const Rivals& rivals, const Numbers& numbers,
                                                    const Numbers& direct_numbers) {
    KernelJob &kernel = rivals.kernel, &direct = rivals.direct;
    const Result<bool> first = compiles(kernel, numbers);
    const Result<bool> second = first.ok() ? compiles(direct, direct_numbers) : first;
    if (!second.ok()) {
        return second.status();
    }
    if (!first.value() || !second.value()) {
        return std::optional<BreakEven>();
    }
    kernel.load();
    direct.load();
    const std::vector<Shared> shared = shared_layers(kernel, direct);
    std::vector<Weighed> weighed;
    weighed.reserve(shared.size());
    for (const Shared& layer : shared) {
        weighed.push_back({&direct.layer_case(layer.direct), &kernel.layer_case(layer.kernel),
                           kernel.weight(layer.kernel)});
    }
    std::vector<double> found;
    Status status;
    while (found.size() < repeats) {
        const Result<Verdict> verdict =
            judge(weighed, direct.library(direct_numbers), kernel.library(numbers), patience);
        if (!verdict.ok() || !verdict->problem.empty()) {
            status = verdict.status();
            break;
        }
        found.push_back(break_even_of(shared, kernel, direct, verdict.value()));
    }
    kernel.drop();
    direct.drop();
    if (!status.ok()) {
        return status;
    }
    if (found.size() < repeats) {
        return std::optional<BreakEven>();
    }
    std::sort(found.begin(), found.end());
    return std::optional(BreakEven{found[repeats / 2], found.back() - found.front()});
}

double choose_break_even(double before, const BreakEven& found) {
    if (std::abs(found.measured - before) <= found.spread) {
        return before;
    }
    // Less than a hundred thousandth over is a double's rounding, and no reason for a step more.
    return std::min(1.0, std::ceil(found.measured * 100 - 1e-3) / 100);
}

Status settle_break_even(const Rivals& rivals, KernelEvidence& evidence, Progress& progress) {
    const std::string& name = rivals.kernel.name();
    const std::string& direct_name = rivals.direct.name();
    // One file: both are kernels of one target.
    const TunedFiles& files = rivals.kernel.files();
    const Result<TunedTable> table = read_either(files.numbers, files.base, files.below);
    if (!table.ok()) {
        return table.status();
    }
    const Numbers numbers = table->numbers(name), direct_numbers = table->numbers(direct_name);
    const double before = table->break_even(name);
    const std::string against =
        direct_name + " " + rivals.direct.basis({}).code + " " + to_text(direct_numbers);
    std::optional<BreakEvenEvidence>& kept = evidence.break_even;
    if (kept && kept->against == against && kept->numbers == numbers && kept->after == before) {
        return {};
    }
    const auto found = measure_break_even(rivals, numbers, direct_numbers);
    if (!found.ok()) {
        return found.status();
    }
    if (!found.value()) {
        progress.say(name + ": keeps its break-even, as it cannot be timed beside " + direct_name);
        return {};
    }
    const BreakEven& measured = *found.value();
    const double after = choose_break_even(before, measured);
    kept = {against, numbers, before, after, measured.measured, measured.spread};
    SLUICE_RETURN_IF_ERROR(merge_evidence(evidence_path(files.numbers), name, evidence));
    progress.say(name + ": " + describe(*kept));
    return after == before ? Status()
                           : merge_break_even(files.numbers, files.base, name, after, files.below);
}

}  // namespace sluice::autotune
