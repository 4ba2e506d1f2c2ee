#include "autotune/judge.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <variant>

#include <nlohmann/json.hpp>

#include "autotune/child.h"
#include "autotune/compile.h"
#include "common/cpus.h"
#include "common/interrupt.h"
#include "common/statistics.h"

namespace sluice::autotune {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double sample_ms = 0.1;  ///< long against the clock's own time
constexpr int first_rounds = 5;
constexpr double far_behind = 1.2;  ///< that more rounds would not make up

double milliseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

KernelFunction open_library(const Library& library) {
    void* handle = ::dlopen(library.path.c_str(), RTLD_NOW | RTLD_LOCAL);
    return handle ? reinterpret_cast<KernelFunction>(::dlsym(handle, candidate_function)) : nullptr;
}

/// Both kernels on one load.
struct Pair {
    std::size_t layer, load;
    const LayerCase* cases[2];  ///< present, candidate
    apps::LayerRun* runs[2];
    double weight;
    int repeats = 1;
    std::vector<double> samples[2] = {};

    void sample(int which) {
        const auto start = Clock::now();
        for (int i = 0; i < repeats; ++i) {
            runs[which]->run();
        }
        samples[which].push_back(milliseconds_since(start) / repeats);
    }
    // The first quartile: other programs only ever add, and on a busy machine to most samples of a
    // call that is longer than a slice of the scheduler's.
    double typical(int which) const {
        std::vector<double> sorted = samples[which];
        std::sort(sorted.begin(), sorted.end());
        return apps::percentile(sorted, 25);
    }
};

double ratio_of(const std::vector<Pair>& pairs) {
    double totals[2] = {0, 0};
    for (const Pair& pair : pairs) {
        totals[0] += pair.weight * pair.typical(0);
        totals[1] += pair.weight * pair.typical(1);
    }
    return totals[1] / totals[0];
}

/// The kernel of the build with a candidate's function, and the numbers by which a plan packs and
/// splits for it.
Kernel row_of(const Kernel& kernel, KernelFunction function, const Numbers& numbers) {
    Kernel row = kernel;
    row.function = function;
    const auto set = [&](auto& info) {
        if constexpr (requires { info.pixels; }) {
            info.pixels = numbers.at("pixels");
            info.vectors = numbers.at("vectors");
        }
    };
    std::visit(set, row.info);
    return row;
}

/// A layer by both kernels, present and candidate.
struct Calls {
    Call calls[2];
};

/// Both calls of every layer; fills `problem` where the candidate's answer is wrong.
std::vector<Calls> make_calls(const std::vector<Weighed>& layers, const Library& present,
                              const Library& candidate, std::string& problem) {
    const KernelFunction functions[2] = {open_library(present), open_library(candidate)};
    std::vector<Calls> all;
    if (functions[0] == nullptr || functions[1] == nullptr) {
        problem = "cannot be loaded";
        return all;
    }
    for (const Weighed& layer : layers) {
        const Kernel rows[2] = {
            row_of(*layer.present->layer().kernel, functions[0], present.numbers),
            row_of(*layer.candidate->layer().kernel, functions[1], candidate.numbers)};
        Calls& both = all.emplace_back(
            Calls{{layer.present->start(rows[0]), layer.candidate->start(rows[1])}});
        if (!both.calls[0].run || !both.calls[1].run) {
            problem = "does not compute " + layer.candidate->layer().shape;
        }
        for (std::size_t load = 0; load < layer.candidate->checked_loads() && problem.empty();
             ++load) {
            problem = layer.candidate->check(*both.calls[1].run, load);
        }
    }
    return all;
}

/// A layer's loads one after the other: each is timed before the next changes the list.
void time_load(Pair& pair, int rounds) {
    for (const int which : {0, 1}) {
        pair.cases[which]->prepare(*pair.runs[which], pair.load);
        pair.runs[which]->run();
    }
    const auto start = Clock::now();
    pair.runs[0]->run();
    pair.repeats = std::max(1, static_cast<int>(sample_ms / milliseconds_since(start)));
    for (int round = 0; round < rounds; ++round) {
        pair.sample(round % 2);
        pair.sample(1 - round % 2);
    }
}

std::string work(const std::vector<Weighed>& layers, const Library& present,
                 const Library& candidate, const Patience& patience) {
    apps::pin_to_last_cpu();
    std::string problem;
    const auto calls = make_calls(layers, present, candidate, problem);
    nlohmann::json answer = {{"problem", problem}};
    if (!problem.empty()) {
        return answer.dump();
    }
    std::vector<Pair> pairs;
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
        const double share =
            layers[layer].weight / static_cast<double>(layers[layer].present->timed_loads());
        for (std::size_t load = 0; load < layers[layer].present->timed_loads(); ++load) {
            pairs.push_back({layer,
                             load,
                             {layers[layer].present, layers[layer].candidate},
                             {calls[layer].calls[0].run.get(), calls[layer].calls[1].run.get()},
                             share});
        }
    }
    for (const int rounds :
         {std::min(first_rounds, patience.rounds), std::max(0, patience.rounds - first_rounds)}) {
        if (!pairs[0].samples[0].empty() && ratio_of(pairs) > far_behind) {
            break;
        }
        for (Pair& pair : pairs) {
            time_load(pair, rounds);
        }
    }
    answer["ratio"] = ratio_of(pairs);
    for (const Pair& pair : pairs) {
        answer["times"].push_back({pair.layer, pair.typical(0), pair.typical(1)});
    }
    return answer.dump();
}

}  // namespace

Result<Verdict> judge(const std::vector<Weighed>& layers, const Library& present,
                      const Library& candidate, const Patience& patience) {
    Result<Child> child = Child::start([&] { return work(layers, present, candidate, patience); });
    if (!child.ok()) {
        return child.status();
    }
    Verdict verdict;
    const Result<std::string> text = child->wait(patience.seconds);
    if (!text.ok()) {
        if (apps::interrupted()) {
            return text.status();
        }
        verdict.problem = text.status().problem().what;
        return verdict;
    }
    const nlohmann::json answer = nlohmann::json::parse(text.value(), nullptr, false);
    if (!answer.is_object()) {
        verdict.problem = "ended without an answer";
        return verdict;
    }
    verdict.problem = answer.value("problem", "");
    if (verdict.problem.empty()) {
        verdict.ratio = answer.at("ratio").get<double>();
        verdict.times.resize(layers.size());
        for (const nlohmann::json& row : answer.at("times")) {
            verdict.times[row.at(0).get<std::size_t>()].push_back(
                {row.at(1).get<double>(), row.at(2).get<double>()});
        }
    }
    return verdict;
}

}  // namespace sluice::autotune
