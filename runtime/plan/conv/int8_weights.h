#pragma once

#include "plan/conv/int8_numbers.h"
#include "plan/conv/way.h"

namespace sluice {

/// Of what a quantised convolution or Gemm reads and writes.
Quantizations quantizations(const Graph& graph, const Node& node);

/// Bias and epilogue of a quantised convolution, whose kernel subtracts `offset` from its inputs.
/// check_int8 has passed.
Packed pack_int8_end(Constants& constants, const Convolution& c, const Quantizations& of,
                     int offset);

/// Weights, bias and epilogue of a quantised convolution as generators/int8_conv.cpp reads them.
/// check_int8 has passed.
Packed pack_int8(Constants& constants, const Convolution& c, const Quantizations& of,
                 const Kernel& kernel);

/// The weights of a convolution of one output as generators/int8_branch.cpp reads them, `bytes` at
/// once.
Buffer pack_int8_rows(Constants& constants, const FusedConv& conv, std::int64_t channel_stride,
                      std::int64_t bytes);

/// Fails where a sum of the layer could leave int32.
Status check_int8(const Planner& planner, const Node& node);

}  // namespace sluice
