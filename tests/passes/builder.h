#pragma once

#include <random>
#include <string>

#include "reference/index.h"
#include "reference/interpreter.h"

namespace sluice {

/// Builds graphs in code, ONNX operators only, with random constants.
class GraphBuilder {
public:
    explicit GraphBuilder(unsigned random_seed) : seed(random_seed), random_(random_seed) {
        graph.file = "built";
    }

    ValueId input(const Shape& shape) {
        graph.inputs.push_back(add("input" + std::to_string(graph.inputs.size()), shape));
        return graph.inputs.back();
    }
    ValueId constant(const Shape& shape, float low = -1, float high = 1) {
        return constant(reference::Tensor{shape, numbers(shape, low, high)});
    }
    ValueId constant(const reference::Tensor& tensor) {
        const ValueId id = add("constant", tensor.shape);
        graph.values[std::size_t(id)].constant =
            std::make_shared<Constant>(Constant{tensor.shape, tensor.data});
        return id;
    }
    ValueId integers(const Shape& numbers) {
        const ValueId id = add("integers", {std::int64_t(numbers.size())});
        graph.values[std::size_t(id)].type = ElementType::int64;
        graph.values[std::size_t(id)].constant =
            std::make_shared<Constant>(Constant{shape(id), numbers});
        return id;
    }
    ValueId node(Op op, std::vector<ValueId> inputs, const Shape& shape,
                 AttributeMap attributes = {}) {
        Node node;
        node.op = op;
        node.name = "node" + std::to_string(graph.nodes.size());
        node.inputs = std::move(inputs);
        node.outputs = {add(node.name, shape)};
        node.attributes = std::move(attributes);
        graph.nodes.push_back(node);
        return node.outputs[0];
    }
    /// Same padding for stride 1.
    ValueId conv(ValueId x, std::int64_t maps, std::int64_t kernel) {
        Shape shape = this->shape(x);
        const ValueId weights = constant({maps, shape[1], kernel, kernel});
        const ValueId bias = constant({maps});
        shape[1] = maps;
        const std::int64_t pad = kernel / 2;
        return node(Op::conv, {x, weights, bias}, shape, {{"pads", Shape{pad, pad, pad, pad}}});
    }
    ValueId normalize(ValueId x) {
        const Shape channels = {shape(x)[1]};
        return node(Op::batch_normalization,
                    {x, constant(channels), constant(channels), constant(channels),
                     constant(channels, 0.5F, 2)},
                    shape(x));
    }
    ValueId relu(ValueId x) { return node(Op::relu, {x}, shape(x)); }
    ValueId clip(ValueId x, float low, float high) {
        const ValueId bounds[] = {constant(reference::Tensor{{}, {low}}),
                                  constant(reference::Tensor{{}, {high}})};
        return node(Op::clip, {x, bounds[0], bounds[1]}, shape(x));
    }
    ValueId mul(ValueId a, ValueId b) { return node(Op::mul, {a, b}, shape(a)); }
    ValueId add_up(ValueId a, ValueId b) { return node(Op::add, {a, b}, shape(a)); }
    void output(ValueId id) { graph.outputs.push_back(id); }

    Shape shape(ValueId id) const { return graph.values[std::size_t(id)].shape; }
    std::vector<float> numbers(const Shape& shape, float low, float high) {
        std::uniform_real_distribution<float> draw(low, high);
        reference::Tensor tensor = reference::zeros(shape);
        for (float& value : tensor.data) {
            value = draw(random_);
        }
        return tensor.data;
    }

    Graph graph;
    const unsigned seed;

private:
    ValueId add(const std::string& name, const Shape& shape) {
        Value value;
        value.name = name;
        value.shape = shape;
        value.shape_known = true;
        return graph.add_value(value);
    }
    std::mt19937 random_;
};

}  // namespace sluice
