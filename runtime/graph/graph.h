#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "graph/floats.h"
#include "sluice/status.h"

namespace sluice {

/// Extents in ONNX order (N, C, H, W for images).
using Shape = std::vector<std::int64_t>;

/// Product of the extents; 1 for a scalar.
std::int64_t element_count(const Shape& shape);

/// More extents than any network's tensor has; what counts axes in pairs is bounded with it.
inline constexpr std::size_t max_rank = 8;

/// What is wrong with a shape from a file, as "more than 8 extents"; null where nothing is. At most
/// 2^31 elements come from a protobuf; extents beside one of 0 obey that too, so that no product of
/// some of them overflows.
const char* shape_fault(const Shape& shape);

/// Product of the extents of a shape from a file; none where shape_fault finds something.
std::optional<std::int64_t> checked_element_count(const Shape& shape);

/// Infinity where any of the values is infinite or NaN; 0 where there is none.
float largest_magnitude(std::span<const float> values);

/// Whether none of the values is infinite or NaN.
inline bool all_finite(std::span<const float> values) {
    return largest_magnitude(values) < std::numeric_limits<float>::infinity();
}

/// "[1, 3, 32, 32]"; of more than 8 extents the first ones.
std::string to_string(const Shape& shape);

/// Of a tensor's elements.
enum class ElementType {
    none,  ///< of kernels that read and write lists and masks alone
    float32,
    int64,  ///< of shapes and indices, which are known when the model is loaded
    uint8,  ///< of quantised activations
    int8,   ///< of quantised weights, and of activations before the passes
};

/// A tensor known when the model is loaded: weights in float32, or in the int8 or uint8 that the
/// file holds; shape arithmetic in int64 (ONNX's bool, int32 and int64 are all held as int64).
/// Dense, row-major, ONNX order.
struct Constant {
    Shape shape;
    std::variant<Floats, std::vector<std::int64_t>, Int8s, Uint8s> data;

    bool is_float() const { return data.index() == 0; }
    bool is_int64() const { return data.index() == 1; }
    bool is_int8() const { return data.index() == 2; }
    bool is_uint8() const { return data.index() == 3; }
    const Floats& floats() const { return std::get<0>(data); }
    const std::vector<std::int64_t>& ints() const { return std::get<1>(data); }
    const Int8s& int8s() const { return std::get<2>(data); }
    const Uint8s& uint8s() const { return std::get<3>(data); }
    ElementType type() const {
        constexpr ElementType types[] = {ElementType::float32, ElementType::int64,
                                         ElementType::int8, ElementType::uint8};
        return types[data.index()];
    }
};

/// What the number q of a quantised tensor stands for: (q - zero_point) * scale. Every quantised
/// activation is held as uint8, q and zero_point from 0 to 255; an int8 tensor of a file is held
/// plus 128, and so is its zero point. The scale is a normal number, positive and finite.
struct Quantization {
    float scale = 1;
    int zero_point = 0;

    friend bool operator==(const Quantization&, const Quantization&) = default;
};

/// Index into Graph::values; `no_value` where an optional ONNX input is left out.
using ValueId = int;
inline constexpr ValueId no_value = -1;

struct Value {
    std::string name;
    Shape shape;  ///< set by shape inference; the batch is Graph::batch
    bool shape_known = false;
    ElementType type = ElementType::float32;
    std::shared_ptr<const Constant> constant;  ///< null unless known at load time
    /// After the passes: of every activation of type uint8, and of no other value.
    std::optional<Quantization> quantization = std::nullopt;
    /// Of an input or output of the graph after the passes whose type is uint8: int8 to callers,
    /// held plus 128.
    bool is_int8_outside = false;

    bool is_float() const { return type == ElementType::float32; }
};

/// ONNX operators, and at the end the fused ones that the passes write.
enum class Op {
    abs,
    add,
    arg_max,
    average_pool,
    batch_normalization,
    cast,
    ceil,
    celu,
    clip,
    concat,
    constant,
    constant_of_shape,
    conv,
    conv_integer,
    conv_transpose,
    depth_to_space,
    dequantize_linear,
    div,
    elu,
    equal,
    erf,
    exp,
    expand,
    flatten,
    floor,
    gather,
    gelu,
    gemm,
    global_average_pool,
    global_max_pool,
    group_normalization,
    hard_sigmoid,
    hard_swish,
    identity,
    instance_normalization,
    layer_normalization,
    leaky_relu,
    log,
    log_softmax,
    lrn,
    mat_mul,
    mat_mul_integer,
    max,
    max_pool,
    mean,
    min,
    mish,
    mul,
    neg,
    p_relu,
    pad,
    pow,
    q_linear_conv,
    q_linear_mat_mul,
    quantize_linear,
    range,
    reciprocal,
    reduce_l2,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_sum,
    relu,
    reshape,
    resize,
    scatter_nd,
    selu,
    shape,
    sigmoid,
    slice,
    softmax,
    softplus,
    softsign,
    space_to_depth,
    split,
    sqrt,
    squeeze,
    sub,
    sum,
    swish,
    tanh,
    thresholded_relu,
    tile,
    transpose,
    unsqueeze,
    where,
    // Written by passes, never read from a file:
    activation,  ///< inputs {x}, see Node::activation
    affine,      ///< inputs {x}, constants in Node::affine: scale[c] * x + shift[c], then the clamp
    /// Inputs {x}, float to float: what a QuantizeLinear and a DequantizeLinear of the same
    /// Node::quantization do. None is left after the passes.
    fake_quantize,
    fused_conv,  ///< inputs {x, gate or no_value, residual or no_value}; see FusedConv
};

/// ONNX's name of an operator ("Conv"); for the fused ones our own.
const char* to_string(Op op);

/// Of two operands that broadcast: arithmetic, max, min, pow and p_relu.
bool is_binary(Op op);

using Attribute = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>,
                               std::vector<float>, std::shared_ptr<const Constant>>;
using AttributeMap = std::map<std::string, Attribute>;

/// min(max(v, low), high), so `high` where low > high, and NaN where v is. No bound is NaN.
struct Clamp {
    float low = -std::numeric_limits<float>::infinity();
    float high = std::numeric_limits<float>::infinity();
    bool is_none() const {
        return low == -std::numeric_limits<float>::infinity() &&
               high == std::numeric_limits<float>::infinity();
    }
    /// A Clip that has no maximum has the largest number.
    bool is_relu() const { return low == 0 && high >= std::numeric_limits<float>::max(); }
    float apply(float v) const { return std::min(std::max(v, low), high); }
};

/// One clamp after another, as one.
inline Clamp compose(const Clamp& first, const Clamp& second) {
    return {second.apply(first.low), second.apply(first.high)};
}

/// What an activation computes of each element x.
enum class ActivationKind {
    abs,
    elu,  ///< beta * (x > 0 ? x : alpha * (exp(x) - 1)): Elu, and Selu by its gamma
    erf,
    exp,
    gelu,        ///< x * (1 + erf(x / sqrt(2))) / 2
    gelu_tanh,   ///< x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2
    hard_swish,  ///< x * min(max(alpha * x + beta, 0), 1)
    leaky_relu,  ///< x < 0 ? alpha * x : x
    log,
    mish,  ///< x * tanh(softplus(x))
    sigmoid,
    silu,      ///< x * sigmoid(alpha * x)
    softplus,  ///< log(1 + exp(x))
    softsign,  ///< x / (1 + abs(x))
    sqrt,
    tanh,
    threshold,  ///< x > alpha ? x : 0
};
inline constexpr int activation_count = int(ActivationKind::threshold) + 1;

/// "silu", as the kernels are named.
const char* to_string(ActivationKind kind);

/// y = kind(x), element by element.
struct Activation {
    ActivationKind kind;
    float alpha = 1;
    float beta = 1;
};

/// How a convolution's output is gated (docs/gated-convolution.md).
enum class GateForm {
    none,      ///< dense
    position,  ///< gate [N, 1, H, W]: one value per position, shared by all channels
    group,     ///< gate [N, G, H, W]: one value per position for each of G groups of K/G channels
    element,   ///< gate [N, K, H, W]
};

/// A convolution with all that happens to its output in registers:
///
///     y = activation(post(scale * (act(conv(x) + bias) * gate) + shift + residual))
///
/// where conv(x) at (k, y, x) is the sum, over the inputs c of k's group and the taps (i, j), of
///
///     weights[k, c, i, j] * padded(x)[c, y * stride[0] + i * dilation[0], ...]
///
/// Output k is of group k / (K / groups), which reads C / groups consecutive channels. A transposed
/// convolution (ONNX's ConvTranspose) is the same over its input with zeros between neighbours: see
/// input_dilation.
///
/// `act` and `post` are clamps. Where the gate is zero the convolution is skipped and
/// y = post(shift + residual). That is exact unless conv(x) is infinite or NaN: its product with
/// zero would be NaN. Scale and shift are finite. Where there is a gate, weights and bias are too.
///
/// A convolution is quantised where its weights are int8 (see is_quantised). Its input x and its
/// residual are then uint8 values, its gate is a float value, and its output is a uint8 value or a
/// float one. Weights are symmetric: w * weight_scale[k]. All else is in real units, as above, with
/// roundings to uint8 numbers and back between:
///
///     t = scale * after_gate(after_act(act(conv(x) + bias)) * gate) + shift + residual
///     y = output(post(t))
///
/// where `output` is Value::quantization of a uint8 output, `output_rounding` of a float one, and a
/// rounding that is not there does nothing. All of them saturate: to 0 .. 255 in numbers, which in
/// units of the scale, less the zero point, is -zero_point .. 255 - zero_point. Where after_act or
/// after_gate is there, scale is all 1; where act is no relu and does anything, too; where act is
/// a relu, no scale is negative. Without a gate there is no after_act. The bias is below 2^30 in
/// units of x's scale times weight_scale[k], and 255 times the weights of an output are below 2^29
/// in sum: kernels add up in int32, with the bias rounded to those units.
struct FusedConv {
    std::shared_ptr<const Constant> weights;  ///< [K, C / groups, kh, kw], float or int8
    std::vector<float> weight_scale;          ///< [K], empty where weights are float
    std::vector<float> bias;                  ///< [K]
    std::vector<float> scale;                 ///< [K], all 1 where nothing follows the gate
    std::vector<float> shift;                 ///< [K]
    std::int64_t stride[2] = {1, 1};          ///< y, x
    std::int64_t pads[4] = {0, 0, 0, 0};      ///< top, left, bottom, right
    std::int64_t groups = 1;
    std::int64_t dilation[2] = {1, 1};  ///< y, x: from a tap to the next
    /// y, x: of a transposed convolution, the distance of its inputs, with zeros between; its
    /// stride is then 1, its weights are turned by half a circle, and negative pads crop the input
    /// with its zeros. It has no gate.
    std::int64_t input_dilation[2] = {1, 1};
    Clamp act;
    std::optional<Quantization> after_act;   ///< between act and gate
    std::optional<Quantization> after_gate;  ///< after the gate, or after act where there is none
    Clamp post;
    std::optional<Quantization> output_rounding;  ///< of a float output, at the very end
    std::optional<Activation> activation;         ///< after post, of a float layer without a gate
    GateForm gate = GateForm::none;
    /// Outputs along y and along x that one value of a position gate governs. The gate is then
    /// [N, 1, ceil(H / grid), ceil(W / grid)], and its first value governs the first outputs.
    std::int64_t gate_grid = 1;
    bool is_branch = false;  ///< this convolution is an LCCL branch: its MACs are the gate's cost

    bool is_quantised() const { return !weight_scale.empty(); }
    bool is_dilated() const { return dilation[0] != 1 || dilation[1] != 1; }
    bool is_transposed() const { return input_dilation[0] != 1 || input_dilation[1] != 1; }
    /// Whether every output reads a whole patch of neighbours.
    bool is_plain() const { return groups == 1 && !is_dilated() && !is_transposed(); }
};

/// Per-channel affine and clamp: y = clamp(scale[c] * x + shift[c]) over [N, C, ...].
struct Affine {
    std::vector<float> scale;  ///< [C] or [1]
    std::vector<float> shift;  ///< [C] or [1]
    Clamp clamp;
};

struct Node {
    Op op;
    std::string name;  ///< never empty: the reader invents one from the operator and its place
    std::vector<ValueId> inputs;
    std::vector<ValueId> outputs;
    AttributeMap attributes;
    /// Of a fused_conv. Also of a quantised gemm, whose input is then {x}: weights [O, I, 1, 1]
    /// and no gate, residual or act.
    std::optional<FusedConv> fused_conv;
    std::optional<Affine> affine;
    std::optional<Activation> activation = std::nullopt;
    /// Why a gate was not fused, or a quantised layer runs in float; printed by `classify
    /// --explain`
    std::string remark;
    /// Of fake_quantize, and after the passes of quantize_linear (float to uint8: numbers of x /
    /// scale, rounded half to even, plus the zero point, saturated) and dequantize_linear (uint8 to
    /// float). Their inputs are then {x}.
    std::optional<Quantization> quantization = std::nullopt;

    /// "name (Op)", as failures name it.
    std::string label() const { return name + " (" + to_string(op) + ")"; }
};

/// A model after reading: nodes in topological order, every value listed once.
struct Graph {
    std::string file;
    std::vector<Value> values;
    std::vector<Node> nodes;
    std::vector<ValueId> inputs;  ///< without initialisers
    std::vector<ValueId> outputs;
    std::int64_t batch = 1;  ///< the first extent of each input; 1 where it is symbolic
    bool batch_is_symbolic = false;
    std::string batch_name;  ///< "N" where symbolic
    /// Why a symbolic batch was fixed at 1: the node that mixes the images of others. Else empty.
    std::string batch_remark;
    /// Whether a quantised graph is computed in floats, because the caller wants it so.
    bool drops_roundings = false;
    std::map<std::string, std::string> metadata;
    std::int64_t opset = 0;
    std::int64_t stored_elements = 0;  ///< of the constants that the file holds

    ValueId add_value(Value value);
    const Constant* constant(ValueId id) const;  ///< null where absent or not constant
    /// The node that writes the value, or null for inputs and constants.
    const Node* producer(ValueId id) const;
    Node* producer(ValueId id);

    std::int64_t int_attribute(const Node&, const std::string& name, std::int64_t fallback) const;
    float float_attribute(const Node&, const std::string& name, float fallback) const;
    std::string string_attribute(const Node&, const std::string& name,
                                 const std::string& fallback) const;
    std::vector<std::int64_t> ints_attribute(const Node&, const std::string& name,
                                             const std::vector<std::int64_t>& fallback) const;
};

/// A failure at a node, naming file and node.
Status error_at(const Graph& graph, const Node& node, std::string what, std::string remedy);

/// Drops nodes whose outputs nobody reads.
void remove_dead_nodes(Graph& graph);

}  // namespace sluice
