#include <cmath>
#include <limits>

#include "graph/quantization.h"
#include "reference/context.h"
#include "reference/index.h"

namespace sluice::reference {
namespace {

const Value& value(const Context& c, ValueId id) { return c.graph.values[std::size_t(id)]; }

ElementType type_of(const Context& c, std::size_t input) { return value(c, c.id(input)).type; }

/// The place of an element's scale.
std::size_t scale_place(const ScalesAndZeros& numbers, const Shape& at) {
    return numbers.axis ? std::size_t(at[*numbers.axis]) : 0;
}

/// (x - zero) * scale of a file's numbers.
Tensor real(const ScalesAndZeros& numbers, Tensor x) {
    for_each_index(x.shape, [&](const Shape& at) {
        const std::size_t s = scale_place(numbers, at);
        float& number = x.data[offset(x.shape, at)];
        number = float((double(number) - numbers.zero_points[s]) * numbers.scales[s]);
    });
    return x;
}

/// A file's numbers.
Tensor numbers_of(const ScalesAndZeros& numbers, Tensor x) {
    const bool is_signed = numbers.type == ElementType::int8;
    const float low = is_signed ? -128 : 0, high = is_signed ? 127 : 255;
    for_each_index(x.shape, [&](const Shape& at) {
        const std::size_t s = scale_place(numbers, at);
        float& element = x.data[offset(x.shape, at)];
        const float number =
            std::nearbyint(element / numbers.scales[s]) + float(numbers.zero_points[s]);
        element = std::min(std::max(number, low), high);
    });
    return x;
}

/// An operand of QLinearConv or ConvInteger in real units.
Tensor operand(const Context& c, std::size_t x, const ScaleInputs& inputs) {
    const auto numbers = scales_and_zeros(c.graph, c.node, inputs, c.input(x).shape, type_of(c, x));
    return real(numbers.value(), c.input(x));
}

/// The same where the scale is 1, and the zero points are input `zeros`.
Tensor less_zeros(const Context& c, std::size_t x, std::size_t zeros) {
    Tensor centred = c.input(x);
    const Tensor* by = c.optional(zeros);
    for_each_index(centred.shape, [&](const Shape& at) {
        const std::size_t place = by != nullptr && by->data.size() > 1 ? std::size_t(at[0]) : 0;
        centred.data[offset(centred.shape, at)] -= by == nullptr ? 0 : by->data[place];
    });
    return centred;
}

Tensor product(const Context& c, bool is_conv, const Tensor& x, const Tensor& weights,
               std::vector<float> bias) {
    if (!is_conv) {
        bias.assign(std::size_t(weights.shape[1]), 0);
        return linear(x, transpose(weights, {1, 0}), bias);
    }
    const Window window = window_of(c, {weights.shape[2], weights.shape[3]});
    bias.resize(std::size_t(weights.shape[0]));
    return conv2d(x, weights, bias, window.stride, window.pads, window.dilation);
}

Tensor run_q_linear(const Context& c) {
    const bool is_conv = c.node.op == Op::q_linear_conv;
    std::vector<float> bias;
    if (c.id(8) != no_value) {
        const auto& scales = c.input(4).data;
        for (const std::int64_t number : c.graph.constant(c.id(8))->ints()) {
            const double unit =
                double(c.input(1).data[0]) * scales[scales.size() == 1 ? 0 : bias.size()];
            bias.push_back(float(double(number) * unit));
        }
    }
    const Tensor y = product(c, is_conv, operand(c, 0, {1, 2}),
                             operand(c, 3, {4, 5, is_conv ? 0 : -1}), std::move(bias));
    return numbers_of(scales_and_zeros(c.graph, c.node, {6, 7}, y.shape, type_of(c, 7)).value(), y);
}

std::optional<Tensor> run_of_file(const Context& c) {
    switch (c.node.op) {
        case Op::quantize_linear:
            return numbers_of(scales_and_zeros(c.graph, c.node).value(), c.input(0));
        case Op::dequantize_linear:
            return real(scales_and_zeros(c.graph, c.node).value(), c.input(0));
        case Op::q_linear_conv:
        case Op::q_linear_mat_mul:
            return run_q_linear(c);
        case Op::conv_integer:
        case Op::mat_mul_integer:
            return product(c, c.node.op == Op::conv_integer, less_zeros(c, 0, 2),
                           less_zeros(c, 1, 3), {});
        default:
            return std::nullopt;
    }
}

QuantisedIo io_of(const Context& c) {
    const Value& y = value(c, c.node.outputs[0]);
    return {*value(c, c.id(0)).quantization,
            c.id(2) == no_value ? Quantization{} : *value(c, c.id(2)).quantization, y.quantization};
}

Tensor run_quantised_gemm(const Context& c) {
    Tensor x = c.input(0);
    x.shape.insert(x.shape.end(), {1, 1});
    Tensor y = quantised_conv(*c.node.fused_conv, io_of(c), x, nullptr, nullptr);
    y.shape.resize(2);
    return y;
}

Tensor run_quantised_pad(const Context& c, const Quantization& quantization) {
    const Shape pads = c.ints(1, {});
    const auto middle = pads.begin() + std::ptrdiff_t(pads.size() / 2);
    const Tensor border = quantize(quantization, {{}, {c.scalar(2, 0)}});
    return pad(c.input(0), {pads.begin(), middle}, {middle, pads.end()}, border.data[0]);
}

/// Of a node that writes uint8 with the numbers `qy`.
std::optional<Tensor> run_to_uint8(const Context& c, const Quantization& qy) {
    const Tensor& x = c.input(0);
    switch (c.node.op) {
        case Op::add:
            return quantised_add(*value(c, c.id(0)).quantization, x,
                                 *value(c, c.id(1)).quantization, c.input(1), qy);
        case Op::affine:
            return quantised_affine(*c.node.affine, *value(c, c.id(0)).quantization, x, qy);
        case Op::average_pool:
            return quantised_average_pool(*value(c, c.id(0)).quantization, x, pool_window(c), qy);
        case Op::global_average_pool: {
            const Window window{{x.shape[2], x.shape[3]}};
            return quantised_average_pool(*value(c, c.id(0)).quantization, x, window, qy);
        }
        case Op::pad:
            return run_quantised_pad(c, qy);
        default:
            return std::nullopt;  // a copy
    }
}

}  // namespace

std::optional<Tensor> interpret_quantised(const Context& c) {
    if (c.node.quantization) {
        const Quantization& q = *c.node.quantization;
        return c.node.op == Op::dequantize_linear ? dequantize(q, c.input(0))
               : c.node.op == Op::quantize_linear ? quantize(q, c.input(0))
                                                  : dequantize(q, quantize(q, c.input(0)));
    }
    if (c.node.fused_conv && c.node.fused_conv->is_quantised()) {
        return c.node.op == Op::gemm ? run_quantised_gemm(c)
                                     : quantised_conv(*c.node.fused_conv, io_of(c), c.input(0),
                                                      c.optional(1), c.optional(2));
    }
    const auto& qy = value(c, c.node.outputs[0]).quantization;
    return qy ? run_to_uint8(c, *qy) : run_of_file(c);
}

}  // namespace sluice::reference
