#include "autotune/break_even.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "autotune/report.h"

namespace sluice::autotune {
namespace {

constexpr std::size_t repeats = 3;  ///< each in a process of its own
constexpr Patience patience{31, 60};

/// "gated" of "gated_winograd_3x3_c16", where the kernel is one of `kind`; else empty.
std::string gating_of(const std::string& kernel, const std::string& kind) {
    const std::size_t end = kernel.find("_" + kind + "_");
    return end == std::string::npos ? "" : kernel.substr(0, end);
}

/// A layer that both kernels compute, by its place in each.
struct Shared {
    std::size_t winograd, direct;
};

std::vector<Shared> shared_layers(const KernelJob& winograd, const KernelJob& direct) {
    std::vector<Shared> shared;
    for (std::size_t i = 0; i < winograd.layers().size(); ++i) {
        for (std::size_t j = 0; j < direct.layers().size(); ++j) {
            if (winograd.layers()[i]->shape == direct.layers()[j]->shape) {
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

/// Of the fullest lists alone: a kernel computes few tiles in the time of a tail, which says more
/// of the list's end than of a tile.
double break_even_of(const std::vector<Shared>& shared, const KernelJob& winograd,
                     const KernelJob& direct, const Verdict& verdict) {
    double tile_ms = 0, tiles = 0, position_ms = 0, positions = 0;
    for (std::size_t i = 0; i < shared.size(); ++i) {
        const Load& in_tiles = winograd.layers()[shared[i].winograd]->loads.front();
        const Load& in_positions = direct.layers()[shared[i].direct]->loads.front();
        const LoadTimes& times = verdict.times[i].front();
        const double weight = winograd.weight(shared[i].winograd);
        tile_ms += weight * times.candidate_ms;
        tiles += weight * static_cast<double>(in_tiles.list.size());
        position_ms += weight * times.present_ms;
        positions += weight * static_cast<double>(in_positions.list.size());
    }
    const double side = winograd.layers()[0]->step.kernel->side;
    return tile_ms / tiles / (side * side * position_ms / positions);
}

}  // namespace

bool is_direct_of(const KernelJob& direct, const KernelJob& winograd) {
    const std::string gating = gating_of(winograd.name(), "winograd");
    return !gating.empty() && gating == gating_of(direct.name(), "conv") &&
           !shared_layers(winograd, direct).empty();
}

Result<std::optional<BreakEven>> measure_break_even(const Rivals& rivals, const Numbers& numbers,
                                                    const Numbers& direct_numbers) {
    KernelJob &winograd = rivals.winograd, &direct = rivals.direct;
    const Result<bool> first = compiles(winograd, numbers);
    const Result<bool> second = first.ok() ? compiles(direct, direct_numbers) : first;
    if (!second.ok()) {
        return second.status();
    }
    if (!first.value() || !second.value()) {
        return std::optional<BreakEven>();
    }
    winograd.load();
    direct.load();
    const std::vector<Shared> shared = shared_layers(winograd, direct);
    std::vector<Weighed> weighed;
    for (const Shared& layer : shared) {
        weighed.push_back({&direct.layer_case(layer.direct), &winograd.layer_case(layer.winograd),
                           winograd.weight(layer.winograd)});
    }
    std::vector<double> found;
    Status status;
    while (found.size() < repeats) {
        const Result<Verdict> verdict =
            judge(weighed, direct.library(direct_numbers), winograd.library(numbers), patience);
        if (!verdict.ok() || !verdict->problem.empty()) {
            status = verdict.status();
            break;
        }
        found.push_back(break_even_of(shared, winograd, direct, verdict.value()));
    }
    winograd.drop();
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

Status settle_break_even(const Rivals& rivals, KernelEvidence& evidence,
                         const TuneSettings& settings, Progress& progress) {
    const std::string& name = rivals.winograd.name();
    const std::string& direct_name = rivals.direct.name();
    const Result<TunedTable> table = read_either(settings.numbers, settings.base);
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
    SLUICE_RETURN_IF_ERROR(merge_evidence(evidence_path(settings.numbers), name, evidence));
    progress.say(name + ": " + describe(*kept));
    return after == before ? Status()
                           : merge_break_even(settings.numbers, settings.base, name, after);
}

}  // namespace sluice::autotune
