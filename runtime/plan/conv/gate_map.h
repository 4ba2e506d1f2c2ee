#pragma once

#include "plan/conv/convolution.h"

/// The maps and lists that a layer's steps read of its position gate, whatever squares of outputs
/// its values govern. Layers of one gate share them.
namespace sluice {

/// Whether one value gates all outputs of the layer.
bool is_for_whole_map(const Planner& planner, const Convolution& c);

/// The gate as kernels read it at each output, (1, x, y). The steps that write it, where no layer
/// before has, go to `steps`.
Result<Buffer> gate_of_outputs(Planner& planner, const Convolution& c, std::vector<Step>& steps);

/// Lists the squares of side x side outputs that a value of the gate governs, or a part of what one
/// does: `side` divides the gate's grid.
Result<GateLists> list_squares(Planner& planner, const Convolution& c, std::int64_t side,
                               std::vector<Step>& steps);

}  // namespace sluice
