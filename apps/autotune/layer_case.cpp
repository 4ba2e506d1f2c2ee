#include "autotune/layer_case.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>

namespace sluice::autotune {
namespace {

constexpr unsigned seed_of_layers = 1;
/// More than the caches of one core's share of a processor hold.
constexpr std::size_t most_bytes = std::size_t{64} << 20;

/// The build's, with one in the place of all that compute the same layers in the same way.
std::vector<Kernel> kernels_with(const Kernel& candidate, const Target& target) {
    std::vector<Kernel> kernels = {candidate};
    std::copy_if(sluice::kernels().begin(), sluice::kernels().end(), std::back_inserter(kernels),
                 [&](const Kernel& other) {
                     return other.algorithm != candidate.algorithm ||
                            other.gate != candidate.gate || !is_for(other, target);
                 });
    return kernels;
}

}  // namespace

LayerCase::LayerCase(const Layer& layer) : layer_(layer) {
    for (const std::int64_t length : {1, 2, 7, 31}) {
        if (length < layer.loads[0].entries) {
            short_lists_.push_back(length);
        }
    }
    apps::LayerRun run(*layer.plan(), seed_of_layers);
    for (std::size_t load = 0; load < timed_loads() + short_lists_.size(); ++load) {
        set_gates(run, load);
        answers_.push_back(run.compute(entries_of(load)).values);
    }
}

/// Those of short lists are the first load's.
void LayerCase::set_gates(apps::LayerRun& run, std::size_t load) const {
    std::vector<const Gate*> gates;
    for (const auto& gate : layer_.loads[load < timed_loads() ? load : 0].gates) {
        gates.push_back(gate.get());
    }
    run.set_gates(gates);
}

std::int64_t LayerCase::entries_of(std::size_t load) const {
    return load < timed_loads() ? apps::LayerRun::all : short_lists_[load - timed_loads()];
}

Call LayerCase::start(const Kernel& candidate) const {
    Call call{kernels_with(candidate, *layer_.target), nullptr};
    const std::size_t bytes = std::min(layer_.network_bytes, most_bytes);
    if (auto planned = layer_.plan(call.kernels)) {
        call.run = std::make_unique<apps::LayerRun>(std::move(*planned), seed_of_layers, bytes);
    }
    return call;
}

void LayerCase::prepare(apps::LayerRun& run, std::size_t load) const {
    set_gates(run, load);
    run.prepare(entries_of(load));
}

std::string LayerCase::check(apps::LayerRun& run, std::size_t load) const {
    set_gates(run, load);
    const apps::Answer answer = run.compute(entries_of(load));
    if (answer.writes_outside) {
        return "writes outside its output";
    }
    const double found = apps::difference(answer.values, answers_[load]);
    if (!std::isfinite(found)) {
        return "gives values that are not finite, or none, or some where nothing is asked for";
    }
    char text[96];
    std::snprintf(text, sizeof text, "gives a wrong answer: off by %.2g of the largest value",
                  found);
    return found > apps::tolerance_of(*layer_.kernel) ? text : "";
}

}  // namespace sluice::autotune
