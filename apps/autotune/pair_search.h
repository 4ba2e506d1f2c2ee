#pragma once

#include <optional>

#include "autotune/layer_case.h"

namespace sluice::autotune {

/// The call of kernel_map that comes before sparse_conv's, in memory of its own.
class PairSearch {
public:
    /// It lists the load's pairs, whether that pays or not.
    PairSearch(const Step& sparse, const Load& load);

    void run() { call_->run(); }
    /// How many it has found.
    std::int64_t count() const { return count_[0]; }

private:
    AlignedMemory arena_;
    std::optional<BoundCall> call_;
    const std::int32_t* count_ = nullptr;
};

}  // namespace sluice::autotune
