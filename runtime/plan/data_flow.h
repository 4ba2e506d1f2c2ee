#pragma once

#include <cstddef>
#include <set>
#include <span>
#include <vector>

#include "plan/step.h"

namespace sluice {

/// Where the values of a step come from and go to.
struct DataFlow {
    std::set<std::size_t> reads;    ///< the earlier steps that wrote memory that it reads
    std::set<int> inputs, outputs;  ///< numbers of the model's, that it reads and writes
};

/// One for each step of a plan, in their order. Steps of which a choice lets one run read nothing
/// of each other's, although they share memory.
std::vector<DataFlow> data_flow(std::span<const Step> steps);

}  // namespace sluice
