#pragma once

#include "plan/planner.h"

/// One function per kind of node: it gives the node's output memory and makes the steps that write
/// it.
namespace sluice {

/// Copies input number `index` of the graph into the layout that its readers want.
Result<Lowered> lower_input(Planner& planner, std::size_t index);
/// Copies output number `index` of the graph into the caller's memory.
Result<Step> lower_output(Planner& planner, std::size_t index);

// conv/lower_fused_conv.cpp
Result<Lowered> lower_fused_conv(Planner& planner, const Node& node);
// lower_pool.cpp
Result<Lowered> lower_pool(Planner& planner, const Node& node);
Result<Lowered> lower_global_average_pool(Planner& planner, const Node& node);
// lower_resize.cpp
Result<Lowered> lower_resize(Planner& planner, const Node& node);
// lower_pointwise.cpp
Result<Lowered> lower_affine(Planner& planner, const Node& node);
Result<Lowered> lower_binary(Planner& planner, const Node& node);
// lower_gemm.cpp
Result<Lowered> lower_gemm(Planner& planner, const Node& node);
// lower_activation.cpp
Result<Lowered> lower_activation(Planner& planner, const Node& node);
Result<Lowered> lower_softmax(Planner& planner, const Node& node);
/// The activation of all lanes of an image, in its place: of the fused_conv that writes it.
Step activation_in_place(const Planner& planner, const Node& node, const Layout& image);
// lower_quantised.cpp
Result<Lowered> lower_quantize(Planner& planner, const Node& node);
Result<Lowered> lower_dequantize(Planner& planner, const Node& node);
/// Of a Gemm with int8 weights.
Result<Lowered> lower_int8_gemm(Planner& planner, const Node& node);
// lower_copy.cpp
Result<Lowered> lower_transpose(Planner& planner, const Node& node);
/// Of SpaceToDepth too.
Result<Lowered> lower_depth_to_space(Planner& planner, const Node& node);
Result<Lowered> lower_slice(Planner& planner, const Node& node);
Result<Lowered> lower_concat(Planner& planner, const Node& node);
Result<Lowered> lower_expand(Planner& planner, const Node& node);
Result<Lowered> lower_identity(Planner& planner, const Node& node);
// lower_pad.cpp
Result<Lowered> lower_pad(Planner& planner, const Node& node);
// lower_reduce.cpp
Result<Lowered> lower_reduce(Planner& planner, const Node& node);
// lower_mat_mul.cpp
Result<Lowered> lower_mat_mul(Planner& planner, const Node& node);
// lower_reshape.cpp
Result<Lowered> lower_reshape(Planner& planner, const Node& node);

}  // namespace sluice
