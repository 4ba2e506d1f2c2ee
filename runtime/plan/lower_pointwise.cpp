#include <algorithm>
#include <cmath>
#include <span>

#include "graph/shapes.h"
#include "plan/lower.h"

namespace sluice {
namespace {

float at(std::span<const float> values, std::int64_t c) {
    return values[values.size() == 1 ? 0 : std::size_t(c)];
}

std::int64_t value_count(const Layout& layout) {
    std::int64_t count = 1;
    for (const Axis& axis : layout.axes) {
        count *= axis.extent;
    }
    return count;
}

/// A constant as a view with the axes of an output: extents of 1 repeat. Fails where it has a
/// batch of its own.
std::optional<Buffer> constant_view(Builder& builder, const Constant& constant, const Shape& to) {
    Shape shape(to.size() + 1 - std::min(constant.shape.size(), to.size() + 1), 1);
    shape.insert(shape.end(), constant.shape.begin(), constant.shape.end());
    if (shape.size() != to.size() + 1 || shape[0] != 1 || !constant.is_float()) {
        return std::nullopt;
    }
    Buffer buffer = builder.constants.add_floats(constant.floats(), std::vector<Axis>(to.size()));
    std::int64_t stride = 1;
    for (std::size_t axis = to.size(); axis-- > 0;) {
        buffer.axes[axis] = {to[axis], shape[axis + 1] == 1 ? 0 : stride};
        stride *= shape[axis + 1];
    }
    return buffer;
}

std::optional<Buffer> operand(Builder& builder, ValueId id, const Shape& to) {
    if (const Constant* constant = builder.graph.constant(id)) {
        return constant_view(builder, *constant, to);
    }
    Buffer buffer = view(builder.layout(id));
    if (buffer.axes.size() != to.size()) {
        return std::nullopt;
    }
    for (std::size_t axis = 0; axis < to.size(); ++axis) {
        if (buffer.axes[axis].extent != to[axis]) {
            buffer.axes[axis] = {to[axis], 0};
        }
    }
    return buffer;
}

BinaryOperation operation_of(Op op) {
    switch (op) {
        case Op::add:
            return BinaryOperation::add;
        case Op::sub:
            return BinaryOperation::sub;
        case Op::mul:
            return BinaryOperation::mul;
        default:
            return BinaryOperation::div;
    }
}

}  // namespace

Status lower_binary(Builder& builder, const Node& node) {
    const auto kernel = builder.kernel(node, operation_of(node.op));
    if (!kernel.ok()) {
        return kernel.status();
    }
    const Shape shape = builder.picture_shape(node.outputs[0]);
    auto a = operand(builder, node.inputs[0], shape), b = operand(builder, node.inputs[1], shape);
    Buffer output = view(builder.allocate(node, false));
    if (!a || !b || !arrange_dense({&output, &*a, &*b})) {
        const auto& values = builder.graph.values;
        return builder.unsupported(
            node,
            "broadcasts " + to_string(values[std::size_t(node.inputs[0])].shape) + " and " +
                to_string(values[std::size_t(node.inputs[1])].shape) +
                ", over the batch or more than four loops",
            "give both sides the batch first and the same rank");
    }
    Step step;
    step.kernel = kernel.value();
    step.node = node.name;
    step.shape = to_string(shape);
    step.work = value_count(builder.layout(node.outputs[0]));
    step.split = split_views(output, {0, 1, 2});
    step.arguments = {*a, *b, output};
    step.remark = node.remark;
    builder.emit(std::move(step));
    return {};
}

Status lower_affine_node(Builder& builder, const Node& node) {
    const Affine& affine = *node.affine;
    const auto kernel = builder.kernel(node, Algorithm::affine);
    if (!kernel.ok()) {
        return kernel.status();
    }
    const Layout& x = builder.layout(node.inputs[0]);
    const bool picture = x.is_picture();
    // An infinite bound that all values lie beyond would stand in the lanes beside the channels.
    const bool full = picture && x.pitch() == builder.channel_pitch(x.channels()) &&
                      std::isfinite(affine.clamp.apply(0));
    const Layout& y =
        builder.allocate(node, full || (picture && x.channels() % builder.lanes == 0));
    // A tensor that is no picture is one row of elements, each with its channel's coefficients.
    const std::int64_t count = full ? y.pitch() : picture ? x.channels() : value_count(x);
    const std::int64_t each =
        picture ? 1 : count / std::max(x.axes.empty() ? 1 : x.axes[0].extent, std::int64_t{1});
    std::vector<float> coefficients(std::size_t(2 * count));
    for (std::int64_t i = 0; i < (picture ? x.channels() : count); ++i) {
        coefficients[std::size_t(i)] = at(affine.scale, i / each);
        coefficients[std::size_t(count + i)] = at(affine.shift, i / each);
    }
    const auto row = [count](const Layout& l) {
        Buffer buffer = view(l);
        buffer.axes = {{count, 1}, {1, 0}, {1, 0}};
        return buffer;
    };
    Step step;
    step.kernel = kernel.value();
    step.node = node.name;
    step.shape = to_string(builder.picture_shape(node.outputs[0]));
    step.work = 2 * value_count(y);
    step.arguments = {picture ? pixels(x, count) : row(x),
                      builder.constants.add_floats(coefficients, {{count, 1}, {2, count}}),
                      affine.clamp.low, affine.clamp.high, picture ? pixels(y, count) : row(y)};
    if (picture) {
        step.split = {y.height(), {{0, 2, 1}, {4, 2, 1}}, -1};
    }
    step.remark = node.remark;
    builder.emit(std::move(step));
    return {};
}

namespace {

/// y = alpha * x * weights + bias of a Gemm.
struct Linear {
    std::int64_t outputs = 0, inputs = 0;
    const float* weights = nullptr;
    bool is_turned = false;  ///< weights [O, I], else [I, O]
    float alpha = 1;
    std::vector<float> bias;
};

/// Writes the weights of `lanes` outputs, [input][output], with zeros for outputs that are none.
void pack_rows(const Linear& l, std::int64_t lanes, std::int64_t first, float* to) {
    constexpr std::int64_t square = 16;  // a cache line of each row, before another row evicts it
    const std::int64_t count = std::min(lanes, l.outputs - first);
    const std::int64_t along_o = l.is_turned ? l.inputs : 1, along_i = l.is_turned ? 1 : l.outputs;
    if (count < lanes) {
        std::fill_n(to, lanes * l.inputs, 0.0f);
    }
    for (std::int64_t i = 0; i < l.inputs; i += square) {
        const std::int64_t end = std::min(i + square, l.inputs);
        for (std::int64_t o = 0; o < count; ++o) {
            const float* const from = l.weights + (first + o) * along_o;
            for (std::int64_t at = i; at < end; ++at) {
                to[at * lanes + o] = l.alpha * from[at * along_i];
            }
        }
    }
}

/// Why read_gemm gives none.
std::string gemm_obstacle(const Graph& graph, const Node& node) {
    if (graph.int_attribute(node, "transA", 0) != 0) {
        return "has transA 1";
    }
    for (std::size_t i = 1; i < node.inputs.size(); ++i) {
        const std::string name = i == 1 ? "weights" : "a bias";
        const Constant* constant = graph.constant(node.inputs[i]);
        if (node.inputs[i] != no_value && constant == nullptr) {
            return "has " + name + " that the model computes from its input";
        }
        if (constant != nullptr && !constant->is_float()) {
            return "has " + name + " of integers";
        }
    }
    return "multiplies " + to_string(graph.values[std::size_t(node.inputs[0])].shape);
}

std::optional<Linear> read_gemm(const Graph& graph, const Node& node) {
    const Constant* weights = graph.constant(node.inputs[1]);
    const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != no_value;
    const Constant* bias = has_bias ? graph.constant(node.inputs[2]) : nullptr;
    if (weights == nullptr || !weights->is_float() || weights->shape.size() != 2 ||
        graph.int_attribute(node, "transA", 0) != 0 ||
        (has_bias && (bias == nullptr || !bias->is_float()))) {
        return std::nullopt;
    }
    const bool is_turned = graph.int_attribute(node, "transB", 0) != 0;
    const float alpha = graph.float_attribute(node, "alpha", 1);
    const float beta = graph.float_attribute(node, "beta", 1);
    Linear l;
    l.outputs = weights->shape[is_turned ? 0 : 1];
    l.inputs = weights->shape[is_turned ? 1 : 0];
    l.weights = weights->floats().data();
    l.is_turned = is_turned;
    l.alpha = alpha;
    l.bias.assign(std::size_t(l.outputs), 0);
    if (bias != nullptr && beta != 0) {
        const auto count = std::int64_t(bias->floats().size());
        if (count != 1 && (count != l.outputs || bias->shape.back() != l.outputs)) {
            return std::nullopt;
        }
        for (std::int64_t o = 0; o < l.outputs; ++o) {
            l.bias[std::size_t(o)] = beta * at(bias->floats(), o);
        }
    }
    return l;
}

}  // namespace

Status lower_gemm(Builder& builder, const Node& node) {
    const auto linear = read_gemm(builder.graph, node);
    const Layout& x = builder.layout(node.inputs[0]);
    if (!linear || x.axes.size() != 1) {
        return builder.unsupported(node, gemm_obstacle(builder.graph, node),
                                   "multiply [N, I] by constant float weights");
    }
    const auto kernel = builder.kernel(node, Algorithm::linear);
    if (!kernel.ok()) {
        return kernel.status();
    }
    const std::int64_t lanes = builder.lanes;
    const std::int64_t inputs = linear->inputs, outputs = linear->outputs;
    const std::int64_t padded = round_up(outputs, lanes);
    std::vector<float> bias(linear->bias);
    bias.resize(std::size_t(padded));
    const auto pack = [&](float* to, std::int64_t part) {
        pack_rows(*linear, lanes, part * lanes, to + part * lanes * inputs);
    };
    const Layout& y = builder.allocate(node, true);
    Buffer input = view(x), output = view(y);
    output.axes = {{padded, 1}};
    const Clamp none;
    Step step;
    step.kernel = kernel.value();
    step.node = node.name;
    step.shape = std::to_string(inputs) + " -> " + std::to_string(outputs);
    step.packed_bytes = padded * inputs * 4;
    step.macs = outputs * inputs;
    step.work = 2 * step.macs;
    step.arguments = {
        input,
        builder.constants.add_packed(
            padded * inputs, {{lanes, 1}, {inputs, lanes}, {padded / lanes, inputs * lanes}},
            padded / lanes, pack),
        builder.constants.add_floats(bias, {{padded, 1}}),
        none.low,
        none.high,
        output};
    step.split = {padded / lanes, {{1, 2, 1}, {2, 0, lanes}, {5, 0, lanes}}, -1};
    builder.plan.macs += step.macs;
    builder.emit(std::move(step));
    return {};
}

Status lower_softmax(Builder& builder, const Node& node) {
    const auto kernel = builder.kernel(node, Algorithm::softmax);
    if (!kernel.ok()) {
        return kernel.status();
    }
    const Layout& x = builder.layout(node.inputs[0]);
    const std::size_t rank = x.axes.size() + 1;
    const auto axis = normalize_axis(builder.graph.int_attribute(node, "axis", -1), rank);
    if (!axis || *axis == 0 || rank > 4) {
        return builder.unsupported(
            node,
            "runs over axis " + std::to_string(builder.graph.int_attribute(node, "axis", -1)) +
                " of " + to_string(builder.graph.values[std::size_t(node.inputs[0])].shape),
            rank > 4 ? "reshape it to at most four extents" : "take an axis behind the batch");
    }
    const Layout& y = builder.allocate(node, false);
    Buffer input = view(x), output = view(y);
    for (Buffer* buffer : {&input, &output}) {
        std::vector<Axis> axes = buffer->axes;
        const Axis along = axes[*axis - 1];
        axes.erase(axes.begin() + std::ptrdiff_t(*axis) - 1);
        std::reverse(axes.begin(), axes.end());
        axes.resize(2, {1, 0});
        buffer->axes = {axes[0], along, axes[1]};
    }
    Step step;
    step.kernel = kernel.value();
    step.node = node.name;
    step.shape = to_string(builder.picture_shape(node.outputs[0]));
    step.arguments = {input, output};
    builder.emit(std::move(step));
    return {};
}

}  // namespace sluice
