#include "autotune/kernel_job.h"

#include <cstdio>
#include <deque>
#include <utility>

#include "common/interrupt.h"

namespace sluice::autotune {
namespace {

constexpr double longest_compilation = 60;  ///< seconds

std::string describe(const Layer& layer) {
    std::string text = layer.shape + ", uses";
    for (const int uses : layer.uses) {
        text += " " + std::to_string(uses);
    }
    if (layer.network_bytes > 0) {
        text += ", of " + std::to_string(layer.network_bytes >> 20) + " MiB of weights";
    }
    text += ", densities";
    for (const Load& load : layer.loads) {
        char density[16];
        std::snprintf(density, sizeof density, " %.3f", load.density);
        text += density;
    }
    return text;
}

}  // namespace

KernelJob::KernelJob(std::string name, std::vector<const Layer*> layers, const Catalogue& catalogue,
                     const TunedTable& table, const TuneSettings& settings)
    : name_(std::move(name)),
      layers_(std::move(layers)),
      recipe_(catalogue.kernels.at(name_).recipe),
      space_(catalogue.space(name_, common_channels(layers_))),
      present_(table.numbers(name_)),
      settings_(&settings),
      files_(&settings.files.at(catalogue.kernels.at(name_).built->target)),
      weights_(layers_.size(), 1.0) {
    recipe_.params.merge(table.others(name_));
}

Basis KernelJob::basis(const std::string& densities) const {
    Basis basis{settings_->cpu, fingerprint(recipe_.generator), densities, {}};
    for (const Layer* layer : layers_) {
        basis.layers.push_back(describe(*layer));
    }
    return basis;
}

void KernelJob::load() {
    for (const Layer* layer : layers_) {
        cases_.push_back(std::make_unique<LayerCase>(*layer));
    }
}

void KernelJob::drop() { cases_.clear(); }

Status KernelJob::compile(const std::vector<Numbers>& candidates,
                          std::map<Numbers, std::string>& problems) {
    std::deque<std::pair<Numbers, Child>> running;
    const auto finish_first = [&]() -> Status {
        auto& [numbers, child] = running.front();
        const Result<std::string> answer = child.wait(longest_compilation);
        if (apps::interrupted()) {
            return answer.ok() ? Status::error("interrupted", "run it again to go on")
                               : answer.status();
        }
        std::string problem = answer.ok() ? answer.value() : answer.status().problem().what;
        if (!problem.empty()) {
            problems[numbers] = "does not compile: " + problem;
        }
        running.pop_front();
        return {};
    };
    for (const Numbers& numbers : candidates) {
        if (compiled_.contains(numbers)) {
            continue;
        }
        if (running.size() >= static_cast<std::size_t>(settings_->threads)) {
            SLUICE_RETURN_IF_ERROR(finish_first());
        }
        const std::filesystem::path path =
            settings_->libraries / (name_ + "_" + std::to_string(compiled_.size()) + ".so");
        Result<Child> child = settings_->compile(recipe_, numbers, path);
        if (!child.ok()) {
            return child.status();
        }
        compiled_[numbers] = path;
        running.emplace_back(numbers, std::move(child).value());
    }
    while (!running.empty()) {
        SLUICE_RETURN_IF_ERROR(finish_first());
    }
    return {};
}

Library KernelJob::library(const Numbers& numbers) const {
    return {compiled_.at(numbers), numbers};
}

Result<Verdict> KernelJob::judge(const Numbers& candidate, const Patience& patience) const {
    std::vector<Weighed> weighed;
    for (std::size_t i = 0; i < cases_.size(); ++i) {
        weighed.push_back({cases_[i].get(), cases_[i].get(), weights_[i]});
    }
    return autotune::judge(weighed, library(present_), library(candidate), patience);
}

}  // namespace sluice::autotune
