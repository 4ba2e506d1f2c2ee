#include "autotune/tune.h"

#include <algorithm>
#include <ctime>
#include <numeric>
#include <utility>

#include "autotune/break_even.h"
#include "autotune/kernel_job.h"
#include "common/interrupt.h"

namespace sluice::autotune {
namespace {

constexpr std::size_t finalists = 3;
constexpr int repeats = 3;  ///< of a finalist's confirmation, each in a process of its own
constexpr int confirming_rounds = 31;
constexpr double least_gain = 0.01;   ///< below it a change is not worth its diff
constexpr double least_share = 0.03;  ///< of the time for a kernel that takes little itself

std::string today() {
    const std::time_t now = std::time(nullptr);
    std::tm parts = {};
    ::gmtime_r(&now, &parts);
    char text[16];
    std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
    return text;
}

/// A kernel with its present times and its place in the evidence.
struct Tuned {
    KernelJob job;
    KernelEvidence evidence;
    std::vector<double> layer_ms = {};  ///< of a step of each layer, mean of its loads
    double share = 0;                   ///< of the networks' tunable time
};

class Tuner {
public:
    Tuner(const Workload& workload, const Catalogue& catalogue, const TuneSettings& settings,
          Progress& progress)
        : workload_(workload), catalogue_(catalogue), settings_(settings), progress_(progress) {}

    Result<Evidence> run();

private:
    Status prepare();
    void share_out();
    Status time_present(Tuned& tuned);
    Status tune_kernel(Tuned& tuned, double share_before, double share_of_rest);
    Status search(Tuned& tuned, Search& search, Clock::time_point end, double share_before);
    Status confirm(Tuned& tuned, const Search& search);
    Status keep(Tuned& tuned);
    Status settle_break_evens(Evidence& done);
    double seconds_left() const {
        return settings_.seconds - std::chrono::duration<double>(Clock::now() - start_).count();
    }
    void show(const Tuned& tuned, double share) {
        progress_.show(share, seconds_left(), tuned.job.name());
    }

    const Workload& workload_;
    const Catalogue& catalogue_;
    const TuneSettings& settings_;
    Progress& progress_;
    const Clock::time_point start_ = Clock::now();
    std::vector<Tuned> kernels_;
};

/// What an earlier run found, where it was measured on the same and knows the present numbers.
KernelEvidence begin_evidence(const KernelJob& job, const Basis& basis, const Evidence& kept) {
    const auto found = kept.find(job.name());
    if (found != kept.end() && found->second.basis == basis) {
        const auto present = found->second.tried.find(job.present());
        if (present != found->second.tried.end() && present->second.problem.empty()) {
            return found->second;
        }
    }
    KernelEvidence fresh;
    fresh.basis = basis;
    fresh.before = fresh.best = job.present();
    fresh.tried[job.present()] = {1, {}};
    return fresh;
}

/// What is known of a target's kernels.
struct Known {
    TunedTable table;
    Evidence evidence;
};

Result<Known> read_known(const TunedFiles& files) {
    Result<TunedTable> table = read_either(files.numbers, files.base, files.below);
    if (!table.ok()) {
        return table.status();
    }
    Result<Evidence> evidence = read_evidence(evidence_path(files.numbers));
    if (!evidence.ok()) {
        return evidence.status();
    }
    return Known{std::move(table).value(), std::move(evidence).value()};
}

Status Tuner::prepare() {
    std::map<std::string, std::vector<const Layer*>> by_kernel;
    for (const Layer& layer : workload_.layers) {
        by_kernel[layer.name].push_back(&layer);
    }
    std::map<std::string, Known> by_target;
    for (auto& [name, layers] : by_kernel) {
        const std::string target = layers[0]->kernel->target;
        const TunedFiles& files = settings_.files.at(target);
        if (!by_target.contains(target)) {
            Result<Known> read = read_known(files);
            if (!read.ok()) {
                return read.status();
            }
            by_target.emplace(target, std::move(read).value());
        }
        const Known& known = by_target.at(target);
        if (known.table.numbers(name).empty()) {
            return Status(Problem{files.numbers.string(),
                                  {},
                                  "has no numbers for " + name,
                                  "restore it from version control"});
        }
        KernelJob job(name, layers, catalogue_, known.table, settings_);
        KernelEvidence evidence =
            begin_evidence(job, job.basis(workload_.densities), known.evidence);
        kernels_.push_back({std::move(job), std::move(evidence)});
    }
    progress_.say("densities: " + workload_.densities);
    for (Tuned& tuned : kernels_) {
        show(tuned, 0);
        SLUICE_RETURN_IF_ERROR(time_present(tuned));
    }
    share_out();
    return {};
}

/// Compiles the present schedule and times it, against itself.
Status Tuner::time_present(Tuned& tuned) {
    std::map<Numbers, std::string> problems;
    SLUICE_RETURN_IF_ERROR(tuned.job.compile({tuned.job.present()}, problems));
    std::string problem = problems[tuned.job.present()];
    if (problem.empty()) {
        tuned.job.load();
        const Result<Verdict> verdict = tuned.job.judge(tuned.job.present());
        tuned.job.drop();
        if (!verdict.ok()) {
            return verdict.status();
        }
        problem = verdict->problem;
        for (const std::vector<LoadTimes>& loads : verdict->times) {
            double total = 0;
            for (const LoadTimes& times : loads) {
                total += times.present_ms;
            }
            tuned.layer_ms.push_back(total / static_cast<double>(loads.size()));
        }
    }
    if (!problem.empty()) {
        return Status(Problem{tuned.job.files().numbers.string(), tuned.job.name(),
                              "its present schedule " + problem, "build and test before tuning"});
    }
    return {};
}

/// Every network counts the same, and within it every step by its time.
void Tuner::share_out() {
    const std::size_t networks = workload_.layers.empty() ? 0 : workload_.layers[0].uses.size();
    std::vector<double> totals(networks);
    const auto for_each_use = [this, networks](auto visit) {
        for (Tuned& tuned : kernels_) {
            for (std::size_t i = 0; i < tuned.layer_ms.size(); ++i) {
                for (std::size_t network = 0; network < networks; ++network) {
                    // A network may have none of the kernels, and then no time to share out.
                    if (const int uses = tuned.job.layers()[i]->uses[network]; uses > 0) {
                        visit(tuned, i, network, uses);
                    }
                }
            }
        }
    };
    for_each_use([&](Tuned& tuned, std::size_t i, std::size_t network, int uses) {
        totals[network] += uses * tuned.layer_ms[i];
    });
    std::map<const Tuned*, std::vector<double>> weights;
    for_each_use([&](Tuned& tuned, std::size_t i, std::size_t network, int uses) {
        weights[&tuned].resize(tuned.layer_ms.size());
        weights[&tuned][i] += uses / totals[network];
        tuned.share += uses * tuned.layer_ms[i] / totals[network] / double(networks);
    });
    for (Tuned& tuned : kernels_) {
        tuned.job.weigh(weights[&tuned]);
        tuned.share = std::max(tuned.share, least_share);
    }
    std::stable_sort(kernels_.begin(), kernels_.end(),
                     [](const Tuned& a, const Tuned& b) { return a.share > b.share; });
}

/// Tries schedules until none is left or the time is over.
Status Tuner::search(Tuned& tuned, Search& search, Clock::time_point end, double share_before) {
    const double scale = tuned.evidence.tried.at(tuned.job.present()).ratio;
    while (Clock::now() < end) {
        const std::vector<Numbers> batch =
            search.next(2 * static_cast<std::size_t>(settings_.threads));
        tuned.evidence.is_finished = batch.empty();
        if (batch.empty()) {
            return {};
        }
        show(tuned, share_before);
        std::map<Numbers, std::string> problems;
        SLUICE_RETURN_IF_ERROR(tuned.job.compile(batch, problems));
        for (const Numbers& numbers : batch) {
            Outcome outcome{0, problems[numbers]};
            if (outcome.problem.empty()) {
                const Result<Verdict> verdict = tuned.job.judge(numbers);
                if (!verdict.ok()) {
                    return verdict.status();
                }
                outcome = {verdict->ratio * scale, verdict->problem};
            }
            if (!outcome.problem.empty()) {
                progress_.say(tuned.job.name() + " " + to_text(numbers) +
                              " is dropped: " + outcome.problem);
            }
            search.record(numbers, outcome);
            tuned.evidence.tried[numbers] = outcome;
            tuned.evidence.is_confirmed = false;
        }
        tuned.evidence.date = today();
        SLUICE_RETURN_IF_ERROR(merge_evidence(evidence_path(tuned.job.files().numbers),
                                              tuned.job.name(), tuned.evidence));
    }
    return {};
}

/// The fastest schedules that were tried, but for the present one.
std::vector<Numbers> fastest(const Search& search, const Numbers& present) {
    const double bound = search.tried().at(present).ratio;
    std::vector<std::pair<double, Numbers>> order;
    for (const auto& [numbers, outcome] : search.tried()) {
        if (outcome.problem.empty() && outcome.ratio < bound && numbers != present) {
            order.emplace_back(outcome.ratio, numbers);
        }
    }
    std::sort(order.begin(), order.end());
    std::vector<Numbers> first;
    for (std::size_t i = 0; i < std::min(order.size(), finalists); ++i) {
        first.push_back(order[i].second);
    }
    return first;
}

void set_times(KernelEvidence& evidence, const KernelJob& job, const Verdict& verdict,
               bool is_first) {
    std::vector<LayerEvidence> before = std::exchange(evidence.layers, {});
    for (std::size_t layer = 0; layer < verdict.times.size(); ++layer) {
        const Layer& from = *job.layers()[layer];
        for (std::size_t load = 0; load < verdict.times[layer].size(); ++load) {
            const LoadTimes& times = verdict.times[layer][load];
            const std::size_t i = evidence.layers.size();
            const double before_ms =
                is_first || i >= before.size() ? times.present_ms : before[i].before_ms;
            evidence.layers.push_back({from.shape, from.loads[load].density, from.loads[load].macs,
                                       before_ms, times.candidate_ms});
        }
    }
}

/// Times the fastest again, longer and in several processes, because the best of many measurements
/// owes something to luck; takes one that every time beats the present by more than the present
/// beats itself.
Status Tuner::confirm(Tuned& tuned, const Search& search) {
    std::vector<Numbers> candidates = fastest(search, tuned.job.present());
    candidates.insert(candidates.begin(), tuned.job.present());
    std::map<Numbers, std::string> problems;
    SLUICE_RETURN_IF_ERROR(tuned.job.compile(candidates, problems));
    double noise = 0, best_ratio = 1;
    std::optional<Verdict> taken;
    for (const Numbers& numbers : candidates) {
        std::vector<Verdict> verdicts;
        for (int i = 0; i < repeats && problems[numbers].empty(); ++i) {
            Result<Verdict> verdict = tuned.job.judge(numbers, {confirming_rounds, 60});
            if (!verdict.ok()) {
                return verdict.status();
            }
            if (!verdict->problem.empty()) {
                break;
            }
            verdicts.push_back(std::move(verdict).value());
        }
        if (verdicts.size() < repeats) {
            continue;
        }
        std::sort(verdicts.begin(), verdicts.end(),
                  [](const Verdict& a, const Verdict& b) { return a.ratio < b.ratio; });
        const Verdict& middle = verdicts[repeats / 2];
        const double spread = verdicts.back().ratio - verdicts.front().ratio;
        if (numbers == tuned.job.present()) {
            noise = std::max(spread, std::abs(middle.ratio - 1));
            taken = middle;
        } else if (middle.ratio < best_ratio &&
                   middle.ratio < 1 - std::max({least_gain, noise, spread})) {
            best_ratio = middle.ratio;
            tuned.evidence.best = numbers;
            taken = middle;
        }
    }
    if (taken) {
        set_times(tuned.evidence, tuned.job, *taken, tuned.job.present() == tuned.evidence.before);
    }
    return {};
}

Status Tuner::keep(Tuned& tuned) {
    tuned.evidence.date = today();
    tuned.evidence.is_confirmed = true;
    SLUICE_RETURN_IF_ERROR(
        merge_evidence(evidence_path(tuned.job.files().numbers), tuned.job.name(), tuned.evidence));
    if (tuned.evidence.best == tuned.job.present()) {
        return {};
    }
    const TunedFiles& files = tuned.job.files();
    return merge_numbers(files.numbers, files.base, {{tuned.job.name(), tuned.evidence.best}},
                         files.below);
}

Status Tuner::tune_kernel(Tuned& tuned, double share_before, double share_of_rest) {
    const auto end =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                           std::max(0.0, seconds_left()) * share_of_rest));
    const std::size_t known = tuned.evidence.tried.size();
    Search search(tuned.job.space(), tuned.job.present(),
                  tuned.evidence.tried.at(tuned.job.present()).ratio);
    for (const auto& [numbers, outcome] : tuned.evidence.tried) {
        search.record(numbers, outcome);
    }
    tuned.job.load();
    SLUICE_RETURN_IF_ERROR(this->search(tuned, search, end, share_before));
    if (!tuned.evidence.is_confirmed) {
        tuned.evidence.best = tuned.job.present();
        SLUICE_RETURN_IF_ERROR(confirm(tuned, search));
        SLUICE_RETURN_IF_ERROR(keep(tuned));
    }
    tuned.job.drop();
    const std::size_t tried = tuned.evidence.tried.size() - known;
    const bool is_better = tuned.evidence.best != tuned.job.present();
    progress_.say(tuned.job.name() + ": " + std::to_string(tried) + " tried, " +
                  (is_better ? to_text(tuned.job.present()) + " -> " + to_text(tuned.evidence.best)
                             : "keeps " + to_text(tuned.job.present())) +
                  (tuned.evidence.is_finished ? "" : ", time is over"));
    return {};
}

/// Of each kernel that has one, against the direct kernel that has most of the time.
Status Tuner::settle_break_evens(Evidence& done) {
    for (Tuned& tuned : kernels_) {
        const auto direct = std::find_if(kernels_.begin(), kernels_.end(), [&](const Tuned& other) {
            return is_direct_of(other.job, tuned.job);
        });
        if (direct != kernels_.end()) {
            SLUICE_RETURN_IF_ERROR(
                settle_break_even({tuned.job, direct->job}, tuned.evidence, progress_));
            done[tuned.job.name()] = tuned.evidence;
        }
    }
    return {};
}

Result<Evidence> Tuner::run() {
    Evidence done;
    Status status = prepare();
    double rest = 0, all = 0;
    for (const Tuned& tuned : kernels_) {
        rest += tuned.share;
    }
    all = rest;
    for (Tuned& tuned : kernels_) {
        if (!status.ok()) {
            break;
        }
        show(tuned, 1 - rest / all);
        status = tune_kernel(tuned, 1 - rest / all, tuned.share / rest);
        rest -= tuned.share;
        if (status.ok()) {
            done[tuned.job.name()] = tuned.evidence;
        }
    }
    if (status.ok()) {
        status = settle_break_evens(done);
    }
    // What was finished before an interrupt stands.
    return status.ok() || apps::interrupted() ? Result<Evidence>(std::move(done)) : status;
}

}  // namespace

Result<Evidence> tune(const Workload& workload, const Catalogue& catalogue,
                      const TuneSettings& settings, Progress& progress) {
    return Tuner(workload, catalogue, settings, progress).run();
}

}  // namespace sluice::autotune
