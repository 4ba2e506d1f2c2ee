#pragma once

#include <chrono>
#include <map>
#include <vector>

#include "autotune/tune.h"

namespace sluice::autotune {

using Clock = std::chrono::steady_clock;

/// One kernel while it is tuned: its layers, the numbers to beat, and what was compiled.
class KernelJob {
public:
    KernelJob(std::string name, std::vector<const Layer*> layers, const Catalogue& catalogue,
              const TunedTable& table, const TuneSettings& settings);

    const std::string& name() const { return name_; }
    /// Of the target that the kernel is for.
    const TunedFiles& files() const { return *files_; }
    const Space& space() const { return space_; }
    const Numbers& present() const { return present_; }
    const std::vector<const Layer*>& layers() const { return layers_; }
    Basis basis(const std::string& densities) const;

    /// How much each of the layers' times counts, beside the others of this kernel.
    void weigh(std::vector<double> weights) { weights_ = std::move(weights); }

    /// Makes the cases and their answers; without them nothing is judged. `drop` frees them.
    void load();
    void drop();

    /// Compiles what is not compiled yet, some at a time. A candidate that cannot be compiled has
    /// its reason in `problems`. Fails where the program is interrupted.
    Status compile(const std::vector<Numbers>& candidates,
                   std::map<Numbers, std::string>& problems);
    /// The candidate against the present numbers, both compiled.
    Result<Verdict> judge(const Numbers& candidate, const Patience& patience = {}) const;

    /// What was compiled for the numbers, and a layer's case and weight.
    Library library(const Numbers& numbers) const;
    const LayerCase& layer_case(std::size_t layer) const { return *cases_[layer]; }
    double weight(std::size_t layer) const { return weights_[layer]; }

private:
    std::string name_;
    std::vector<const Layer*> layers_;
    Recipe recipe_;
    Space space_;
    Numbers present_;
    const TuneSettings* settings_;
    const TunedFiles* files_;
    std::vector<double> weights_;
    std::vector<std::unique_ptr<LayerCase>> cases_;
    std::map<Numbers, std::filesystem::path> compiled_;
};

}  // namespace sluice::autotune
