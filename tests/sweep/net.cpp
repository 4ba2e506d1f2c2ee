#include "sweep/net.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "graph/shapes.h"
#include "reference/interpreter.h"

namespace sluice::sweep {
namespace {

float largest_of(const Tensor& tensor) {
    float largest = 0;
    for (const float value : tensor.data) {
        largest = std::max(largest, std::abs(value));
    }
    return largest;
}

std::string text_of(const Attribute& attribute) {
    std::ostringstream text;
    if (const auto* integer = std::get_if<std::int64_t>(&attribute)) {
        text << *integer;
    } else if (const auto* real = std::get_if<float>(&attribute)) {
        text << *real;
    } else if (const auto* string = std::get_if<std::string>(&attribute)) {
        text << *string;
    } else if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&attribute)) {
        text << to_string(*integers);
    }
    return text.str();
}

/// Large values of a constant are left out.
std::string text_of(const Graph& graph, ValueId id) {
    if (id == no_value) {
        return "-";
    }
    const Value& value = graph.values[std::size_t(id)];
    if (value.constant == nullptr) {
        return value.name + to_string(value.shape);
    }
    if (value.type == ElementType::int64) {
        return to_string(value.constant->ints());
    }
    if (!value.is_float()) {
        return "bytes" + to_string(value.constant->shape);
    }
    return value.constant->floats().size() == 1 ? std::to_string(value.constant->floats()[0])
                                                : "constant" + to_string(value.constant->shape);
}

}  // namespace

Net::Net(Random& random_, std::int64_t batch, bool is_symbolic) : random(random_) {
    graph.file = "sweep";
    graph.batch = batch;
    graph.batch_is_symbolic = is_symbolic;
    graph.batch_name = is_symbolic ? "N" : "";
    graph.opset = 17;
}

/// A value; the shape of a node's is not known before it is inferred.
ValueId Net::add(const std::string& name, const std::optional<Shape>& shape, ElementType type) {
    Value value;
    value.name = name;
    value.shape = shape.value_or(Shape());
    value.shape_known = shape.has_value();
    value.type = type;
    return graph.add_value(std::move(value));
}

ValueId Net::input(const Shape& extents) {
    Shape shape = extents;
    shape.insert(shape.begin(), graph.batch);
    Tensor tensor = reference::zeros(shape);
    // A part of larger values, so that the gates that they make active lie side by side.
    const std::size_t from = tensor.data.size() / 4, to = from + tensor.data.size() / 2;
    const bool has_part = random.chance(0.3);
    for (std::size_t i = 0; i < tensor.data.size(); ++i) {
        tensor.data[i] = random.uniform(-1, 1) * (has_part && i >= from && i < to ? 4.0F : 1.0F);
    }
    return input(std::move(tensor), ElementType::float32);
}

ValueId Net::input(Tensor values, ElementType type) {
    const ValueId id = add("input" + std::to_string(graph.inputs.size()), values.shape, type);
    values_[id] = std::move(values);
    graph.inputs.push_back(id);
    return id;
}

ValueId Net::constant(const Shape& shape, std::vector<float> values) {
    const ValueId id = add("c" + std::to_string(graph.values.size()), shape, ElementType::float32);
    graph.values[std::size_t(id)].constant = std::make_shared<Constant>(Constant{shape, values});
    values_[id] = {shape, std::move(values)};
    return id;
}

ValueId Net::constant(const Shape& shape, float low, float high) {
    std::vector<float> values(std::size_t(element_count(shape)));
    std::generate(values.begin(), values.end(), [&] { return random.uniform(low, high); });
    return constant(shape, std::move(values));
}

ValueId Net::ints(const Shape& numbers) {
    const Shape shape = {std::int64_t(numbers.size())};
    const ValueId id = add("i" + std::to_string(graph.values.size()), shape, ElementType::int64);
    graph.values[std::size_t(id)].constant = std::make_shared<Constant>(Constant{shape, numbers});
    return id;
}

ValueId Net::integers(const Shape& shape, const std::vector<int>& numbers, ElementType type) {
    const ValueId id = add("q" + std::to_string(graph.values.size()), shape, type);
    Constant constant{shape, Shape(numbers.begin(), numbers.end())};
    if (type == ElementType::int8) {
        constant.data = Int8s(std::vector<std::int8_t>(numbers.begin(), numbers.end()));
    } else if (type == ElementType::uint8) {
        constant.data = Uint8s(std::vector<std::uint8_t>(numbers.begin(), numbers.end()));
    }
    graph.values[std::size_t(id)].constant = std::make_shared<Constant>(std::move(constant));
    values_[id] = {shape, {numbers.begin(), numbers.end()}};
    return id;
}

ValueId Net::node(Op op, std::vector<ValueId> inputs, AttributeMap attributes,
                  const std::string& onnx_name) {
    Node node{};
    node.op = op;
    node.name = "n" + std::to_string(graph.nodes.size());
    node.inputs = std::move(inputs);
    node.attributes = std::move(attributes);
    const ValueId id =
        add("v" + std::to_string(graph.nodes.size()), std::nullopt, ElementType::float32);
    node.outputs = {id};
    const Status status = infer_shape(graph, node);
    auto result = status.ok() ? reference::evaluate(graph, node, values_) : Result<Tensor>(status);
    graph.nodes.push_back(node);
    onnx_names_.push_back(onnx_name.empty() ? to_string(op) : onnx_name);
    INFO("the generator has drawn a node that does not fit: " << result.status().message() << "\n"
                                                              << description());
    REQUIRE(result.ok());
    values_[id] = std::move(result).value();
    REQUIRE(values_[id].shape == shape(id));
    rounding_[id] = rounding_of(graph.nodes.back());
    return id;
}

void Net::output(ValueId id) {
    if (!is_output(id)) {
        graph.outputs.push_back(id);
    }
}

float Net::largest(ValueId id) const { return largest_of(value(id)); }

bool Net::is_output(ValueId id) const {
    return std::find(graph.outputs.begin(), graph.outputs.end(), id) != graph.outputs.end();
}

/// Of the node's output: what its inputs bring along and what it adds.
double Net::rounding_of(const Node& node) const {
    constexpr double of_float = 6e-8, of_sum = 5e-7, of_winograd = 5e-6;
    const auto of = [this](ValueId id) {
        const auto found = rounding_.find(id);
        return found == rounding_.end() ? 0 : found->second;
    };
    const ValueId x = node.inputs[0];
    const double own = of_float * largest(node.outputs[0]);
    const auto factor = [this](ValueId id) { return double(largest(id)); };
    switch (node.op) {
        case Op::conv:
        case Op::conv_transpose:
        case Op::gemm:
        case Op::mat_mul: {
            const Tensor& weights = value(node.inputs[1]);
            double squares = 0;
            for (const float w : weights.data) {
                squares += double(w) * double(w);
            }
            const Shape& w = weights.shape;
            const bool is_row_major = node.op == Op::mat_mul;  // [inputs, outputs]
            const std::int64_t outputs =
                node.op == Op::conv_transpose ? shape(node.outputs[0])[1] : w[is_row_major ? 1 : 0];
            const double norm = std::sqrt(squares / double(outputs));
            const bool may_be_winograd = w.size() == 4 && w[2] == w[3] && w[2] >= 3;
            return own + norm * (of(x) + (may_be_winograd ? of_winograd : of_sum) * factor(x));
        }
        case Op::mul:
            return own + of(x) * factor(node.inputs[1]) + of(node.inputs[1]) * factor(x);
        case Op::div: {
            double least = INFINITY;
            for (const float d : value(node.inputs[1]).data) {
                least = std::min(least, double(std::abs(d)));
            }
            return own + of(x) / least + of(node.inputs[1]) * factor(x) / (least * least);
        }
        case Op::add:
        case Op::sub:
            return own + of(x) + of(node.inputs[1]) + of_float * factor(x);
        case Op::batch_normalization: {
            double scale = 0;
            for (std::size_t k = 0; k < value(node.inputs[1]).data.size(); ++k) {
                const double gamma = value(node.inputs[1]).data[k];
                scale = std::max(
                    scale, std::abs(gamma) / std::sqrt(double(value(node.inputs[4]).data[k])));
            }
            return own + scale * (of(x) + 2 * of_float * factor(x));
        }
        case Op::softmax:
            return own + 2 * factor(node.outputs[0]) * (of(x) + of_float * factor(x));
        default: {
            double largest = 0;
            for (const ValueId id : node.inputs) {
                largest = std::max(largest, id == no_value ? 0 : of(id));
            }
            return own + largest;
        }
    }
}

bool Net::is_well_conditioned() const {
    constexpr double criterion = 1e-4, margin = 2;
    return std::all_of(graph.outputs.begin(), graph.outputs.end(), [&](ValueId id) {
        const double scale = double(largest(id));
        return std::isfinite(scale) &&
               (scale == 0 || margin * rounding_.at(id) <= criterion * scale);
    });
}

std::string Net::description() const {
    std::ostringstream text;
    text << "batch " << graph.batch << (graph.batch_is_symbolic ? ", symbolic" : ", fixed") << "\n";
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        const Node& node = graph.nodes[i];
        text << "  " << onnx_names_[i] << "(";
        for (std::size_t j = 0; j < node.inputs.size(); ++j) {
            text << (j ? ", " : "") << text_of(graph, node.inputs[j]);
        }
        text << ")";
        for (const auto& [name, attribute] : node.attributes) {
            text << " " << name << "=" << text_of(attribute);
        }
        text << " -> " << text_of(graph, node.outputs[0])
             << (is_output(node.outputs[0]) ? ", an output" : "") << "\n";
    }
    return text.str();
}

}  // namespace sluice::sweep
