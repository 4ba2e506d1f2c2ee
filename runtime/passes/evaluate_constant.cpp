#include "passes/evaluate_constant.h"

#include <algorithm>
#include <cmath>

#include "passes/constant_arithmetic.h"
#include "passes/pick_elements.h"
#include "passes/quantise_constant.h"

namespace sluice {

namespace {

using Ints = std::vector<std::int64_t>;

using Shared = std::shared_ptr<const Constant>;

Shared share(Constant constant) { return std::make_shared<const Constant>(std::move(constant)); }

bool same_types(const Constant& a, const Constant& b) { return a.type() == b.type(); }

/// What an integer becomes in ONNX's element type `to`, as C++ converts it.
std::int64_t narrow(std::int64_t value, std::int64_t to) {
    constexpr std::int64_t uint8 = 2, int8 = 3, uint16 = 4, int16 = 5, int32 = 6, boolean = 9,
                           uint32 = 12;
    switch (to) {
        case uint8:
            return std::uint8_t(value);
        case int8:
            return std::int8_t(value);
        case uint16:
            return std::uint16_t(value);
        case int16:
            return std::int16_t(value);
        case int32:
            return std::int32_t(value);
        case boolean:
            return value != 0;
        case uint32:
            return std::uint32_t(value);
        default:
            return value;
    }
}

/// The numbers of a constant as ONNX's element type `to` holds them; none where a float fits in no
/// int64.
std::optional<Ints> to_integers(const Constant& x, std::int64_t to) {
    constexpr std::int64_t onnx_bool = 9;
    Ints ints;
    if (x.is_float()) {
        for (const float value : x.floats()) {
            if (to != onnx_bool && !(std::abs(value) < 9e18f)) {
                return std::nullopt;
            }
            ints.push_back(to == onnx_bool ? value != 0 : narrow(std::int64_t(value), to));
        }
        return ints;
    }
    std::visit(
        [&](const auto& data) {
            for (const auto value : data) {
                ints.push_back(narrow(std::int64_t(value), to));
            }
        },
        x.data);
    return ints;
}

Result<Shared> cast(const Graph& graph, const Node& node) {
    const Constant& x = constant_input(graph, node, 0);
    const ElementType type = graph.values[std::size_t(node.outputs[0])].type;
    if (x.type() == type && type != ElementType::int64) {
        return graph.values[std::size_t(node.inputs[0])].constant;
    }
    if (type == ElementType::float32) {
        return std::visit(
            [&x](const auto& data) {
                return share({x.shape, std::vector<float>(data.begin(), data.end())});
            },
            x.data);
    }
    auto ints = to_integers(x, graph.int_attribute(node, "to", 1));
    if (!ints) {
        return error_at(graph, node, "casts a float that no int64 holds", "export the model again");
    }
    if (type == ElementType::int8) {
        return share({x.shape, std::vector<std::int8_t>(ints->begin(), ints->end())});
    }
    if (type == ElementType::uint8) {
        return share({x.shape, std::vector<std::uint8_t>(ints->begin(), ints->end())});
    }
    return share({x.shape, *std::move(ints)});
}

Shared from_attributes(const Node& node, const Shape& shape) {
    for (const auto& [name, attribute] : node.attributes) {
        if (const auto* tensor = std::get_if<Shared>(&attribute)) {
            return *tensor;
        }
        if (const auto* ints = std::get_if<Ints>(&attribute)) {
            return share({shape, *ints});
        }
        if (const auto* floats = std::get_if<std::vector<float>>(&attribute)) {
            return share({shape, *floats});
        }
        if (const auto* number = std::get_if<std::int64_t>(&attribute); number && shape.empty()) {
            return share({shape, Ints{*number}});
        }
        if (const auto* number = std::get_if<float>(&attribute); number && shape.empty()) {
            return share({shape, std::vector<float>{*number}});
        }
    }
    return share({shape, std::vector<float>(std::size_t(element_count(shape)))});
}

Result<Constant> constant_of_shape(const Graph& graph, const Node& node, const Shape& shape) {
    const auto value = node.attributes.find("value");
    if (value == node.attributes.end()) {
        return Constant{shape, std::vector<float>(std::size_t(element_count(shape)))};
    }
    const auto* tensor = std::get_if<std::shared_ptr<const Constant>>(&value->second);
    if (!tensor || element_count((*tensor)->shape) != 1) {
        return error_at(graph, node, "has a value that is not one number",
                        "export the model again");
    }
    return pick(**tensor, shape, [](const Shape&) { return std::int64_t(0); });
}

Constant range(const Graph& graph, const Node& node, const Shape& shape) {
    if (constant_input(graph, node, 0).is_float()) {
        const float start = constant_input(graph, node, 0).floats()[0];
        const float delta = constant_input(graph, node, 2).floats()[0];
        std::vector<float> numbers(std::size_t(shape.front()));
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            numbers[i] = start + float(i) * delta;
        }
        return {shape, std::move(numbers)};
    }
    Ints numbers(std::size_t(shape.front()), 0);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        numbers[i] = constant_input(graph, node, 0).ints()[0] +
                     std::int64_t(i) * constant_input(graph, node, 2).ints()[0];
    }
    return Constant{shape, std::move(numbers)};
}

Constant shape_of(const Graph& graph, const Node& node, const Shape& shape) {
    const Shape& x = graph.values[std::size_t(node.inputs[0])].shape;
    const std::int64_t rank = std::int64_t(x.size());
    const std::int64_t start = graph.int_attribute(node, "start", 0);
    const auto first = std::clamp<std::int64_t>(start < 0 ? start + rank : start, 0, rank);
    return Constant{shape, Ints(x.begin() + first, x.begin() + first + shape[0])};
}

Result<Constant> evaluate(const Graph& graph, const Node& node, const Shape& shape) {
    switch (node.op) {
        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::div:
        case Op::equal:
        case Op::pow:
            return binary_constant(graph, node, shape);
        case Op::max:
        case Op::mean:
        case Op::min:
        case Op::sum:
            return several_constants(graph, node, shape);
        case Op::abs:
        case Op::ceil:
        case Op::exp:
        case Op::floor:
        case Op::neg:
        case Op::reciprocal:
        case Op::sqrt:
            return unary_constant(graph, node);
        case Op::reduce_max:
        case Op::reduce_mean:
        case Op::reduce_min:
        case Op::reduce_sum:
            return reduce_constant(graph, node, shape);
        case Op::concat: {
            for (ValueId id : node.inputs) {
                if (!same_types(*graph.constant(id), constant_input(graph, node, 0))) {
                    return error_at(graph, node, "mixes float and integer constants",
                                    "export the model again");
                }
            }
            return concat_constants(graph, node, shape);
        }
        case Op::constant_of_shape:
            return constant_of_shape(graph, node, shape);
        case Op::dequantize_linear:
            return dequantize_constant(graph, node);
        case Op::expand:
            return spread_constant(constant_input(graph, node, 0), shape);
        case Op::flatten:
        case Op::reshape:
        case Op::squeeze:
        case Op::unsqueeze:
            return reshape_constant(constant_input(graph, node, 0), shape);
        case Op::gather:
            return gather_constant(graph, node, shape);
        case Op::pad:
            return pad_constant(graph, node, shape);
        case Op::quantize_linear:
            return quantize_constant(graph, node);
        case Op::range:
            return range(graph, node, shape);
        case Op::shape:
            return shape_of(graph, node, shape);
        case Op::slice:
        case Op::split:
            return slice_constant(graph, node, shape);
        case Op::tile:
            return tile_constant(graph, node, shape);
        case Op::transpose:
            return transpose_constant(graph, node, shape);
        case Op::where:
            return where_constant(graph, node, shape);
        default:
            break;
    }
    return error_at(graph, node, "computes from constants alone, which Sluice does not fold",
                    "simplify the model with onnxsim");
}

}  // namespace

std::int64_t evaluated_elements(const Graph& graph, const Node& node) {
    if (node.op == Op::identity || node.op == Op::constant) {
        return 0;
    }
    const std::int64_t elements = element_count(graph.values[std::size_t(node.outputs[0])].shape);
    // All indices are checked, also those that pick nothing.
    return node.op == Op::gather
               ? std::max(elements, element_count(constant_input(graph, node, 1).shape))
               : elements;
}

Result<Shared> evaluate_constant(const Graph& graph, const Node& node) {
    const Shape& shape = graph.values[std::size_t(node.outputs[0])].shape;
    if (node.op == Op::identity) {
        return graph.values[std::size_t(node.inputs[0])].constant;
    }
    if (node.op == Op::cast) {
        return cast(graph, node);
    }
    if (node.op == Op::constant) {
        return from_attributes(node, shape);
    }
    Result<Constant> constant = evaluate(graph, node, shape);
    if (!constant.ok()) {
        return constant.status();
    }
    return share(std::move(constant).value());
}

}  // namespace sluice
