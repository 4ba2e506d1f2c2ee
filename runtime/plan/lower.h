#pragma once

#include "plan/builder.h"

/// One function a kind of node: it allocates the node's output and emits the steps that write it.
namespace sluice {

/// Copies the caller's inputs into the layouts that their readers want.
Status plan_inputs(Builder& builder);
/// Copies the graph's outputs into the caller's memory.
Status plan_outputs(Builder& builder);

// lower_conv.cpp
Status lower_fused_conv(Builder& builder, const Node& node);
// lower_branch.cpp
/// Whether a convolution has one output map and no more than a clamp after its bias.
bool is_branch_form(const Builder& builder, const Node& node);
Status lower_branch(Builder& builder, const Node& node);
// lower_window.cpp
Status lower_pool(Builder& builder, const Node& node);
Status lower_global_average_pool(Builder& builder, const Node& node);
Status lower_resize(Builder& builder, const Node& node);
// lower_pointwise.cpp
Status lower_affine_node(Builder& builder, const Node& node);
Status lower_binary(Builder& builder, const Node& node);
Status lower_gemm(Builder& builder, const Node& node);
Status lower_softmax(Builder& builder, const Node& node);
// lower_copy.cpp
/// Copies between views of the same extents, in any order of axes.
Status emit_copy(Builder& builder, const Node& node, const Buffer& from, const Buffer& to);
Status lower_reshape(Builder& builder, const Node& node);
Status lower_transpose(Builder& builder, const Node& node);
Status lower_slice(Builder& builder, const Node& node);
Status lower_pad(Builder& builder, const Node& node);
Status lower_concat(Builder& builder, const Node& node);
Status lower_expand(Builder& builder, const Node& node);
Status lower_identity(Builder& builder, const Node& node);

// arrange.cpp
/// Views of the same extents brought to four axes, those of the smallest strides in `views[0]`
/// first; neighbours that are contiguous in all views become one. Fails beyond four axes.
bool arrange(std::vector<Buffer*> views);
/// The same for kernels that take `views[0]` to be dense along its first axis: it is, or the axis
/// has one index.
bool arrange_dense(std::vector<Buffer*> views);
/// The axis that a call over arranged views is split along, for threads.
Split split_views(const Buffer& output, std::vector<int> arguments);

}  // namespace sluice
