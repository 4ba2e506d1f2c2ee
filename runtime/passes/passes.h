#pragma once

#include "graph/graph.h"

/// Rewrites of a graph whose shapes are inferred and constants folded. Each keeps the nodes in
/// topological order, the result within float rounding, and the names of convolutions and outputs.
namespace sluice {

/// All passes below, in their order; constants that no node reads any more are dropped. Without
/// `int8` a quantised graph is computed in floats: see ModelOptions::int8.
Status optimise(Graph& graph, bool int8 = true);

/// QLinearConv, QLinearMatMul, ConvInteger and MatMulInteger become the operators of floats between
/// DequantizeLinear and QuantizeLinear.
[[nodiscard]] Status lower_q_linear(Graph& graph);

/// Convolutions and pools over [N, C, L], and what follows them, become those over [N, C, 1, L],
/// between Reshapes where other nodes read or write the values. Those whose weights are quantised
/// stay.
[[nodiscard]] Status lift_one_dimension(Graph& graph);

/// A QuantizeLinear and the DequantizeLinears of the same numbers become Op::fake_quantize, and
/// what copies bytes between them copies floats. Bytes are left where the graph takes or gives
/// them, and as constants.
[[nodiscard]] Status make_fake_quantize(Graph& graph);

/// Without int8 alone: each Op::fake_quantize becomes a clamp to the values that its numbers stand
/// for. Weights keep the values that they were rounded to.
[[nodiscard]] Status drop_roundings(Graph& graph);

/// Operators that others express are written as those: sums, means, maxima and minima of several,
/// Neg, Reciprocal, Celu, small powers, Split, Tile, GlobalMaxPool, DepthToSpace and SpaceToDepth,
/// LogSoftmax, Softmax of what is flattened, LRN and the normalisations.
[[nodiscard]] Status expand_operators(Graph& graph);

/// ScatterND that writes neighbouring rows of an axis, which Transposes bring to the front and
/// back, becomes a Concat along that axis: `out[:, :n] += y` of PyTorch, as its dynamo exporter
/// writes it.
[[nodiscard]] Status expand_scatter(Graph& graph);

/// Drops Identity and Cast of floats; Flatten, Squeeze and Unsqueeze become Reshape; ReduceMean
/// over H and W becomes GlobalAveragePool, with a Reshape where it drops the extents.
[[nodiscard]] Status canonicalise(Graph& graph);

/// MatMul of [N, I] by a constant, and the Add of a bias after it, become Gemm.
[[nodiscard]] Status make_gemm(Graph& graph);

/// BatchNormalization, Relu, Clip, HardSigmoid and arithmetic with a scalar or per-channel
/// constant become Op::affine.
[[nodiscard]] Status make_affine(Graph& graph);

/// Sigmoid, Elu and the like become Op::activation, and so do products that make one: x *
/// sigmoid(x), Gelu written with Erf or Tanh, HardSwish written with Clip, x * tanh(softplus(x)).
[[nodiscard]] Status make_activation(Graph& graph);

/// MatMul of [N, H, W, C] by constant weights becomes a 1x1 Conv over [N, C, H, W]. So do
/// activations, scalar affines and arithmetic with such values take images; a Transpose stands
/// where another node wants channels last.
[[nodiscard]] Status make_pointwise_conv(Graph& graph);

/// Roundings move next to the layers that could take them: clamps, and the Reshape of a product,
/// before a rounding that they alone read; others of what copies before them; and a rounding of
/// what a Concat joins becomes one of each part. Clamps and roundings that then change nothing go.
[[nodiscard]] Status order_roundings(Graph& graph);

/// Conv becomes Op::fused_conv, quantised where its input is rounded and its weights are symmetric
/// int8; else its remark says why it runs in float, as those with groups of several channels do.
/// Those that are not 2-D stay.
[[nodiscard]] Status make_fused_conv(Graph& graph);

/// ConvTranspose becomes Op::fused_conv, in float. Those that are not 2-D stay.
[[nodiscard]] Status make_transposed_conv(Graph& graph);

/// Gemm becomes a quantised one under the same conditions (Node::fused_conv). The weights that
/// layers in float read become floats.
[[nodiscard]] Status make_int8_gemm(Graph& graph);

/// Moves a Pad of zeros into the fused_conv or AveragePool after it.
[[nodiscard]] Status fold_padding(Graph& graph);

/// Moves an affine into the fused_conv or affine before it, and a rounding into the quantised layer
/// before it, where nothing else reads between.
[[nodiscard]] Status fold_affine(Graph& graph);

/// Mul of a convolution by a non-negative map becomes the convolution's gate (Dong et al., "More
/// is Less", CVPR 2017, section 3). What looks like a gate and is none gets a remark.
[[nodiscard]] Status fuse_gate(Graph& graph);

/// A position gate that repeats each value of a smaller map over t x t outputs, or one value over
/// the whole map, becomes that map: the tile gates of Dong et al.'s released code, and gates per
/// block of a grain.
[[nodiscard]] Status fold_gate_grid(Graph& graph);

/// Add becomes the residual of the fused_conv on one of its sides.
[[nodiscard]] Status fuse_residual(Graph& graph);

/// A SiLU or HardSwish of what a float convolution without a gate writes, and nothing else reads,
/// becomes that convolution's own.
[[nodiscard]] Status fuse_activation(Graph& graph);

/// Sets FusedConv::is_branch on the convolutions that only gates depend on.
[[nodiscard]] Status mark_branches(Graph& graph);

/// Values become uint8 where nodes with int8 kernels read them, or where nothing else could round:
/// those nodes read and write them as they are, and quantize_linear and dequantize_linear nodes
/// stand between them and all others. No fake_quantize is left.
[[nodiscard]] Status quantise_values(Graph& graph);

}  // namespace sluice
