#pragma once

#include <memory>
#include <string>
#include <vector>

#include "autotune/workload.h"

namespace sluice::autotune {

/// A layer planned with a candidate of its kernel.
struct Call {
    std::vector<Kernel> kernels;  ///< that its plan points into
    std::unique_ptr<apps::LayerRun> run;
};

/// A layer on its loads, and the answers that the kernel of the build gives.
class LayerCase {
public:
    explicit LayerCase(const Layer& layer);

    const Layer& layer() const { return layer_; }
    /// To be timed, in the order of the layer's.
    std::size_t timed_loads() const { return layer_.loads.size(); }
    /// To be checked: those, then a list of one entry and others whose ends no tile divides.
    std::size_t checked_loads() const { return answers_.size(); }

    /// The layer as planned for a kernel in the place of the build's; `run` is null where it does
    /// not compute it.
    Call start(const Kernel& candidate) const;
    void prepare(apps::LayerRun& run, std::size_t load) const;
    /// What is wrong with the answer to a load; empty where nothing is: outputs as the kernel of
    /// the build gave them, up to the order of sums, and not a bit changed beside them.
    std::string check(apps::LayerRun& run, std::size_t load) const;

private:
    void set_gates(apps::LayerRun& run, std::size_t load) const;
    std::int64_t entries_of(std::size_t load) const;

    const Layer& layer_;
    std::vector<std::int64_t> short_lists_;  ///< entries
    std::vector<std::vector<float>> answers_;
};

}  // namespace sluice::autotune
