#include "graph/quantization.h"

#include <cmath>
#include <limits>

#include "graph/shape_rules.h"

namespace sluice {
namespace {

using shape_rules::has_input;

/// What is wrong with a scale of bytes or, else, of int32; null where nothing is.
const char* scale_fault(float scale, bool of_bytes) {
    if (!(scale > 0)) {
        return std::isnan(scale) ? "which is no number" : "which is not positive";
    }
    if (of_bytes && scale < std::numeric_limits<float>::min()) {
        return "which is too small for a normal float";
    }
    const float most = std::numeric_limits<float>::max() / (of_bytes ? 256 : 1);
    return scale > most ? "which makes numbers infinite" : nullptr;
}

std::string name_of(ElementType type) {
    return type == ElementType::uint8 ? "uint8" : type == ElementType::int8 ? "int8" : "integers";
}

Status read_zero_points(const Graph& graph, const Node& node, std::size_t input,
                        ScalesAndZeros& numbers) {
    const std::size_t count = numbers.scales.size();
    numbers.zero_points.assign(count, 0);
    if (!has_input(node, input)) {
        return {};
    }
    const Constant* zeros = graph.constant(node.inputs[input]);
    if (zeros == nullptr) {
        return shape_rules::is_computed(graph, node, "a zero point");
    }
    if (zeros->type() != numbers.type) {
        return error_at(graph, node,
                        "has a zero point of another type than its " + name_of(numbers.type),
                        "quantise the model again");
    }
    const auto size = std::visit([](const auto& data) { return data.size(); }, zeros->data);
    if (size != count) {
        return error_at(
            graph, node,
            "has " + std::to_string(size) + " zero points for " + std::to_string(count) + " scales",
            "quantise the model again");
    }
    bool is_zero = true;
    std::visit(
        [&](const auto& data) {
            for (std::size_t i = 0; i < count; ++i) {
                is_zero = is_zero && data[i] == 0;
                numbers.zero_points[i] = int(data[i]);
            }
        },
        zeros->data);
    if (numbers.type == ElementType::int64 && !is_zero) {
        return error_at(graph, node, "has a zero point of int32 that is not 0",
                        "quantise the model again");
    }
    return {};
}

}  // namespace

bool ScalesAndZeros::is_symmetric() const {
    return std::all_of(zero_points.begin(), zero_points.end(), [](int zero) { return zero == 0; });
}

Result<ScalesAndZeros> scales_and_zeros(const Graph& graph, const Node& node,
                                        const ScaleInputs& inputs, const Shape& shape,
                                        ElementType type) {
    const Constant* scale = graph.constant(node.inputs[inputs.scale]);
    if (scale == nullptr) {
        return shape_rules::is_computed(graph, node, "a scale");
    }
    if (!scale->is_float() || scale->floats().empty()) {
        return error_at(graph, node, "has a scale that is no float", "quantise the model again");
    }
    ScalesAndZeros numbers;
    numbers.type = type;
    numbers.scales.assign(scale->floats().begin(), scale->floats().end());
    const std::size_t count = numbers.scales.size();
    if (scale->shape.size() > 1 || graph.int_attribute(node, "block_size", 0) != 0) {
        return error_at(graph, node,
                        "has scales " + to_string(scale->shape) +
                            ", one for each block, which Sluice does not read",
                        "quantise per tensor or per channel");
    }
    if (count > 1) {
        numbers.axis = normalize_axis(inputs.axis, shape.size());
        if (!numbers.axis || shape[*numbers.axis] != std::int64_t(count)) {
            return error_at(graph, node,
                            "has " + std::to_string(count) + " scales for axis " +
                                std::to_string(inputs.axis) + " of " + to_string(shape),
                            "quantise the model again");
        }
    }
    for (const float number : numbers.scales) {
        if (const char* fault = scale_fault(number, type != ElementType::int64)) {
            return error_at(graph, node, "has the scale " + std::to_string(number) + ", " + fault,
                            "quantise the model again");
        }
    }
    SLUICE_RETURN_IF_ERROR(read_zero_points(graph, node, inputs.zero_point, numbers));
    return numbers;
}

std::optional<ElementType> quantized_type(const Graph& graph, const Node& node) {
    constexpr std::int64_t none = 0, onnx_uint8 = 2, onnx_int8 = 3;
    const std::int64_t asked = graph.int_attribute(node, "output_dtype", none);
    ElementType type = asked == onnx_int8 ? ElementType::int8 : ElementType::uint8;
    if (asked != none && asked != onnx_uint8 && asked != onnx_int8) {
        return std::nullopt;
    }
    if (has_input(node, 2)) {
        const ElementType of_zero = graph.values[std::size_t(node.inputs[2])].type;
        if (asked != none && of_zero != type) {
            return std::nullopt;
        }
        type = of_zero;
    }
    const bool is_byte = type == ElementType::uint8 || type == ElementType::int8;
    return is_byte ? std::optional(type) : std::nullopt;
}

Result<ScalesAndZeros> scales_and_zeros(const Graph& graph, const Node& node) {
    const Value& x = graph.values[std::size_t(node.inputs[0])];
    const auto type = node.op == Op::quantize_linear ? quantized_type(graph, node) : x.type;
    if (!type) {
        return error_at(graph, node, "quantises to another type than int8 or uint8",
                        "quantise to int8 or uint8");
    }
    return scales_and_zeros(graph, node, {1, 2, graph.int_attribute(node, "axis", 1)}, x.shape,
                            *type);
}

}  // namespace sluice
