#include "reference/interpreter.h"

#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "reference/context.h"

namespace sluice::reference {

Window window_of(const Context& c, const Shape& kernel) {
    const Shape stride = c.ints("strides", {1, 1}), dilation = c.ints("dilations", {1, 1});
    const std::string automatic = c.graph.string_attribute(c.node, "auto_pad", "NOTSET");
    Shape pads = {0, 0, 0, 0};
    if (automatic == "NOTSET") {
        pads = c.ints("pads", pads);
    } else if (automatic != "VALID") {
        for (std::size_t a = 0; a < 2; ++a) {
            const std::int64_t in = c.input(0).shape[a + 2];
            const std::int64_t out = (in + stride[a] - 1) / stride[a];
            const std::int64_t total = std::max<std::int64_t>(
                (out - 1) * stride[a] + dilation[a] * (kernel[a] - 1) + 1 - in, 0);
            pads[a] = automatic == "SAME_UPPER" ? total / 2 : (total + 1) / 2;
            pads[a + 2] = total - pads[a];
        }
    }
    return {{kernel[0], kernel[1]},
            {stride[0], stride[1]},
            {pads[0], pads[1], pads[2], pads[3]},
            c.integer("ceil_mode", 0) != 0,
            c.integer("count_include_pad", 0) != 0,
            {dilation[0], dilation[1]}};
}

Window pool_window(const Context& c) { return window_of(c, c.ints("kernel_shape", {1, 1})); }

namespace {

using Run = std::function<Tensor(const Context&)>;

Tensor run_conv(const Context& c) {
    const Tensor& weights = c.input(1);
    const Tensor* bias = c.optional(2);
    const Window window = window_of(c, {weights.shape[2], weights.shape[3]});
    return conv2d(c.input(0), weights,
                  bias ? bias->data : std::vector<float>(std::size_t(weights.shape[0])),
                  window.stride, window.pads, window.dilation);
}

Tensor run_conv_transpose(const Context& c) {
    const Tensor& x = c.input(0);
    const Tensor& weights = c.input(1);
    const Tensor* bias = c.optional(2);
    const Shape& shape = c.shape();
    Window window = window_of(c, {weights.shape[2], weights.shape[3]});
    const bool is_given = !c.ints("output_shape", {}).empty();
    const std::string automatic = c.graph.string_attribute(c.node, "auto_pad", "NOTSET");
    for (std::size_t a = 0; a < 2; ++a) {
        // ONNX: what the output's extent leaves is split, the odd one at the end for SAME_UPPER.
        const std::int64_t total = window.stride[a] * (x.shape[a + 2] - 1) +
                                   c.ints("output_padding", {0, 0})[a] +
                                   window.dilation[a] * (window.kernel[a] - 1) + 1 - shape[a + 2];
        if (is_given || automatic.starts_with("SAME")) {
            window.pads[a] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
        }
    }
    return conv_transpose2d(x, weights,
                            bias ? bias->data : std::vector<float>(std::size_t(shape[1])), window,
                            c.integer("group", 1), {shape[2], shape[3]});
}

Tensor run_batch_normalization(const Context& c) {
    Tensor y = c.input(0);
    const double epsilon = c.graph.float_attribute(c.node, "epsilon", 1e-5F);
    const std::size_t channels = std::size_t(y.shape[1]);
    const std::size_t area = y.data.size() / std::size_t(y.shape[0] * y.shape[1]);
    for (std::size_t i = 0; i < y.data.size(); ++i) {
        const std::size_t k = i / area % channels;
        const double unit =
            (y.data[i] - double(c.input(3).data[k])) / std::sqrt(c.input(4).data[k] + epsilon);
        y.data[i] = float(unit * c.input(1).data[k] + c.input(2).data[k]);
    }
    return y;
}

Tensor run_reshape(const Context& c) { return {c.shape(), c.input(0).data}; }

Run run_reduce(Reduction reduction) {
    return [reduction](const Context& c) {
        const std::int64_t rank = std::int64_t(c.input(0).shape.size());
        Shape listed = c.ints("axes", c.ints(1, {}));
        if (listed.empty() && c.integer("noop_with_empty_axes", 0) == 0) {
            listed.resize(std::size_t(rank));
            std::iota(listed.begin(), listed.end(), 0);
        }
        std::vector<int> axes;
        for (const std::int64_t axis : listed) {
            axes.push_back(int(axis < 0 ? axis + rank : axis));
        }
        return Tensor{c.shape(), reduce(reduction, c.input(0), axes).data};
    };
}

Tensor run_gemm(const Context& c) {
    const auto factor = [&c](const char* name) {
        return Tensor{{}, {c.graph.float_attribute(c.node, name, 1)}};
    };
    const bool turns_x = c.integer("transA", 0) != 0, turns_w = c.integer("transB", 0) != 0;
    const Tensor x = turns_x ? transpose(c.input(0), {1, 0}) : c.input(0);
    const Tensor weights = turns_w ? c.input(1) : transpose(c.input(1), {1, 0});
    const std::vector<float> no_bias(std::size_t(weights.shape[0]));
    const Tensor y = binary(Binary::mul, linear(x, weights, no_bias), factor("alpha"));
    return c.optional(2) ? binary(Binary::add, y, binary(Binary::mul, c.input(2), factor("beta")))
                         : y;
}

Tensor run_pad(const Context& c) {
    const Shape pads = c.ints(1, {});
    const auto middle = pads.begin() + std::ptrdiff_t(pads.size() / 2);
    return pad(c.input(0), {pads.begin(), middle}, {middle, pads.end()}, c.scalar(2, 0));
}

Tensor run_slice(const Context& c) {
    const Tensor& x = c.input(0);
    const Shape given = c.ints(1, {});
    Shape all(given.size());
    std::iota(all.begin(), all.end(), 0);
    const Shape axes = c.ints(3, all);
    const Shape given_steps = c.ints(4, Shape(given.size(), 1));
    Shape starts(x.shape.size(), 0), steps(x.shape.size(), 1);
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const std::size_t axis =
            std::size_t(axes[i] < 0 ? axes[i] + std::int64_t(x.shape.size()) : axes[i]);
        const std::int64_t extent = x.shape[axis];
        steps[axis] = given_steps[i];
        const std::int64_t start = given[i] < 0 ? given[i] + extent : given[i];
        starts[axis] =
            std::min(std::max(start, std::int64_t{0}), steps[axis] < 0 ? extent - 1 : extent);
    }
    return slice(x, starts, steps, c.shape());
}

Tensor run_concat(const Context& c) {
    std::vector<Tensor> parts;
    for (std::size_t i = 0; i < c.node.inputs.size(); ++i) {
        parts.push_back(c.input(i));
    }
    return concat(parts, int(c.integer("axis", 0)));
}

Tensor run_transpose(const Context& c) {
    Shape reversed(c.input(0).shape.size());
    std::iota(reversed.rbegin(), reversed.rend(), 0);
    const Shape permutation = c.ints("perm", reversed);
    return transpose(c.input(0), {permutation.begin(), permutation.end()});
}

Tensor run_resize(const Context& c) {
    static const std::map<std::string, Coordinates> coordinates = {
        {"asymmetric", Coordinates::asymmetric},
        {"half_pixel", Coordinates::half_pixel},
        {"align_corners", Coordinates::align_corners},
        {"pytorch_half_pixel", Coordinates::pytorch_half_pixel}};
    static const std::map<std::string, Rounding> roundings = {
        {"round_prefer_floor", Rounding::round_prefer_floor},
        {"round_prefer_ceil", Rounding::round_prefer_ceil},
        {"floor", Rounding::floor},
        {"ceil", Rounding::ceil}};
    const auto text = [&c](const char* name, const char* fallback) {
        return c.graph.string_attribute(c.node, name, fallback);
    };
    const Tensor& x = c.input(0);
    Resize r;
    const Tensor* scales = c.optional(2);
    for (std::size_t a = 0; a < 2; ++a) {
        r.size[a] = c.shape()[a + 2];
        r.scale[a] = scales != nullptr && !scales->data.empty()
                         ? scales->data[a + 2]
                         : float(r.size[a]) / float(x.shape[a + 2]);
    }
    r.interpolation =
        text("mode", "nearest") == "linear" ? Interpolation::linear : Interpolation::nearest;
    r.coordinates = coordinates.at(text("coordinate_transformation_mode", "half_pixel"));
    r.rounding = roundings.at(text("nearest_mode", "round_prefer_floor"));
    return resize(x, r);
}

Run run_binary(Binary op) {
    return [op](const Context& c) { return binary(op, c.input(0), c.input(1)); };
}

Run run_activation(ActivationKind kind) {
    return [kind](const Context& c) { return activation({kind}, c.input(0)); };
}

const std::map<Op, Run>& table() {
    static const std::map<Op, Run> runs = {
        {Op::add, run_binary(Binary::add)},
        {Op::sub, run_binary(Binary::sub)},
        {Op::mul, run_binary(Binary::mul)},
        {Op::div, run_binary(Binary::div)},
        {Op::max, run_binary(Binary::max)},
        {Op::min, run_binary(Binary::min)},
        {Op::pow, run_binary(Binary::pow)},
        {Op::p_relu, run_binary(Binary::prelu)},
        {Op::sigmoid, run_activation(ActivationKind::sigmoid)},
        {Op::tanh, run_activation(ActivationKind::tanh)},
        {Op::erf, run_activation(ActivationKind::erf)},
        {Op::softplus, run_activation(ActivationKind::softplus)},
        {Op::activation,
         [](const Context& c) { return activation(*c.node.activation, c.input(0)); }},
        {Op::conv, run_conv},
        {Op::conv_transpose, run_conv_transpose},
        {Op::batch_normalization, run_batch_normalization},
        {Op::relu,
         [](const Context& c) {
             return clamp({0, Clamp{}.high}, c.input(0));
         }},
        {Op::clip,
         [](const Context& c) {
             return clamp({c.scalar(1, Clamp{}.low), c.scalar(2, Clamp{}.high)}, c.input(0));
         }},
        {Op::hard_sigmoid,
         [](const Context& c) {
             const Affine a{{c.graph.float_attribute(c.node, "alpha", 0.2F)},
                            {c.graph.float_attribute(c.node, "beta", 0.5F)},
                            {0, 1}};
             return affine(a, c.input(0));
         }},
        {Op::max_pool, [](const Context& c) { return max_pool(c.input(0), pool_window(c)); }},
        {Op::average_pool,
         [](const Context& c) { return average_pool(c.input(0), pool_window(c)); }},
        {Op::global_average_pool, [](const Context& c) { return global_average_pool(c.input(0)); }},
        {Op::reduce_max, run_reduce(Reduction::max)},
        {Op::reduce_mean, run_reduce(Reduction::mean)},
        {Op::reduce_min, run_reduce(Reduction::min)},
        {Op::reduce_sum, run_reduce(Reduction::sum)},
        {Op::gemm, run_gemm},
        {Op::mat_mul, [](const Context& c) { return mat_mul(c.input(0), c.input(1)); }},
        {Op::softmax,
         [](const Context& c) { return softmax(c.input(0), int(c.integer("axis", -1))); }},
        {Op::reshape, run_reshape},
        {Op::flatten, run_reshape},
        {Op::squeeze, run_reshape},
        {Op::unsqueeze, run_reshape},
        {Op::identity, run_reshape},
        {Op::cast, run_reshape},
        {Op::expand,
         [](const Context& c) { return binary(Binary::add, c.input(0), zeros(c.shape())); }},
        {Op::pad, run_pad},
        {Op::slice, run_slice},
        {Op::concat, run_concat},
        {Op::transpose, run_transpose},
        {Op::resize, run_resize},
        {Op::affine, [](const Context& c) { return affine(*c.node.affine, c.input(0)); }},
        {Op::fused_conv,
         [](const Context& c) {
             return fused_conv(*c.node.fused_conv, c.input(0), c.optional(1), c.optional(2));
         }},
    };
    return runs;
}

}  // namespace

Result<Tensor> evaluate(const Graph& graph, const Node& node,
                        const std::map<ValueId, Tensor>& values) {
    const Context context{graph, node, values};
    if (auto quantised = interpret_quantised(context)) {
        return *std::move(quantised);
    }
    const auto run = table().find(node.op);
    if (run == table().end()) {
        return error_at(graph, node, "the reference has no such operator", "fold constants before");
    }
    return run->second(context);
}

Result<std::vector<Tensor>> interpret(const Graph& graph, const std::vector<Tensor>& inputs) {
    std::map<ValueId, Tensor> values;
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
        const auto& constant = graph.values[i].constant;
        if (constant) {
            std::visit(
                [&](const auto& data) {
                    values[int(i)] = {constant->shape, {data.begin(), data.end()}};
                },
                constant->data);
        }
    }
    for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
        values[graph.inputs[i]] = inputs[i];
    }
    for (const Node& node : graph.nodes) {
        Result<Tensor> result = evaluate(graph, node, values);
        if (!result.ok()) {
            return result.status();
        }
        values[node.outputs[0]] = std::move(result).value();
    }
    std::vector<Tensor> outputs;
    for (const ValueId id : graph.outputs) {
        outputs.push_back(values.at(id));
    }
    return outputs;
}

}  // namespace sluice::reference
