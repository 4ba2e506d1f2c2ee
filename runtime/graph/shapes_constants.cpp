#include <algorithm>
#include <cmath>

#include "graph/shape_rules.h"

/// Of the operators that make constants, and of Shape.
namespace sluice::shape_rules {

namespace {

/// The numbers of a Range of floats, as ONNX defines it.
Result<Shape> float_range(const Graph& graph, const Node& node) {
    double numbers[3];
    for (std::size_t i = 0; i < 3; ++i) {
        const Constant* constant = graph.constant(node.inputs[i]);
        if (constant == nullptr || !constant->is_float() || constant->floats().size() != 1) {
            return does_not_fit(graph, node);
        }
        numbers[i] = constant->floats()[0];
    }
    constexpr double most = double(std::int64_t(1) << 31);
    const double count = std::ceil((numbers[1] - numbers[0]) / numbers[2]);
    if (!(count <= most)) {
        return error_at(graph, node, "counts in steps of 0, or too many of them",
                        "export the model again");
    }
    return Shape{std::int64_t(std::max(count, 0.0))};
}

}  // namespace

Result<Shape> constant_of_shape(const Graph& graph, const Node& node) {
    const auto shape = constant_ints(graph, node, 0);
    return shape ? Result<Shape>(*shape) : is_computed(graph, node, "extents");
}

Result<Shape> shape_of(const Graph& graph, const Node& node) {
    const std::int64_t rank = std::int64_t(input_shape(graph, node, 0).size());
    const auto bound = [&](const char* name, std::int64_t fallback) {
        const std::int64_t axis = graph.int_attribute(node, name, fallback);
        return std::clamp<std::int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
    };
    return Shape{std::max<std::int64_t>(0, bound("end", rank) - bound("start", 0))};
}

Result<Shape> constant(const Graph& graph, const Node& node) {
    for (const auto& [name, attribute] : node.attributes) {
        if (const auto* tensor = std::get_if<std::shared_ptr<const Constant>>(&attribute)) {
            return (*tensor)->shape;
        }
        if (const auto* ints = std::get_if<std::vector<std::int64_t>>(&attribute)) {
            return Shape{std::int64_t(ints->size())};
        }
        if (const auto* floats = std::get_if<std::vector<float>>(&attribute)) {
            return Shape{std::int64_t(floats->size())};
        }
        if (name == "value_int" || name == "value_float") {
            return Shape{};
        }
    }
    return error_at(graph, node, "holds no number or tensor", "export the model again");
}

Result<Shape> range(const Graph& graph, const Node& node) {
    const Constant* first = graph.constant(node.inputs[0]);
    if (first != nullptr && first->is_float()) {
        return float_range(graph, node);
    }
    const auto start = constant_ints(graph, node, 0);
    const auto limit = constant_ints(graph, node, 1);
    const auto delta = constant_ints(graph, node, 2);
    constexpr std::int64_t bound = std::int64_t(1) << 40;
    for (std::size_t i = 0; i < 3; ++i) {
        const Constant* constant = graph.constant(node.inputs[i]);
        if (constant == nullptr) {
            return is_computed(graph, node, "bounds");
        }
        if (!constant->is_int64()) {
            return error_at(graph, node, "counts in floats or bytes", "count in integers");
        }
        const auto& number = constant->ints();
        if (number.size() != 1) {
            return does_not_fit(graph, node);
        }
        if (number[0] > bound || number[0] < -bound) {
            return error_at(graph, node, "has the bound " + std::to_string(number[0]),
                            "count from and to smaller numbers");
        }
    }
    const std::int64_t step = (*delta)[0];
    const std::int64_t way = (*limit)[0] - (*start)[0];
    if (step == 0) {
        return error_at(graph, node, "counts in steps of 0", "export the model again");
    }
    const bool is_empty = way == 0 || (way > 0) != (step > 0);
    return Shape{is_empty ? 0 : (way + step - (step > 0 ? 1 : -1)) / step};
}

}  // namespace sluice::shape_rules
