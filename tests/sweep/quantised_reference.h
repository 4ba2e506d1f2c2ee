#pragma once

#include <string>
#include <vector>

#include "sweep/compare.h"

namespace sluice::sweep {

/// What a quantised network is to give.
struct QuantisedReference {
    /// The scalar reference's of the network after the passes: to the bit where integers alone lead
    /// there, else near in the mean.
    std::vector<Wanted> outputs;
    int exact_outputs = 0;
    /// Why there are none, or where the passes change what the file says by more than roundings
    /// that fall to the other side; empty else.
    std::string fault;
};

/// Of a net that quantised() gives.
QuantisedReference quantised_reference(const Net& net);

}  // namespace sluice::sweep
