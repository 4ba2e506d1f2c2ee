#include "passes/node_writer.h"

#include <memory>

#include "graph/shapes.h"

namespace sluice {
namespace {

Node part_of(const Node& origin, Op op, std::vector<ValueId> inputs, AttributeMap attributes) {
    Node node;
    node.op = op;
    node.name = origin.name;
    node.inputs = std::move(inputs);
    node.attributes = std::move(attributes);
    return node;
}

}  // namespace

ValueId NodeWriter::add(const Node& origin, Op op, std::vector<ValueId> inputs,
                        AttributeMap attributes) {
    Node node = part_of(origin, op, std::move(inputs), std::move(attributes));
    Value value;
    value.name = origin.name + "." + std::to_string(graph_.values.size());
    node.name = value.name;
    const ValueId output = graph_.add_value(std::move(value));
    push(std::move(node), output);
    return output;
}

void NodeWriter::close(const Node& origin, Op op, std::vector<ValueId> inputs,
                       AttributeMap attributes) {
    push(part_of(origin, op, std::move(inputs), std::move(attributes)), origin.outputs[0]);
}

void NodeWriter::push(Node node, ValueId output) {
    node.outputs = {output};
    if (status_.ok()) {
        status_ = infer_shape(graph_, node);
    }
    nodes_.push_back(std::move(node));
}

ValueId NodeWriter::constant(const Node& origin, Constant constant) {
    Value value;
    value.name = origin.name + "." + std::to_string(graph_.values.size());
    value.shape = constant.shape;
    value.shape_known = true;
    value.type = constant.type();
    value.constant = std::make_shared<const Constant>(std::move(constant));
    return graph_.add_value(std::move(value));
}

ValueId NodeWriter::floats(const Node& origin, Shape shape, std::vector<float> values) {
    return constant(origin, {std::move(shape), std::move(values)});
}

ValueId NodeWriter::ints(const Node& origin, std::vector<std::int64_t> values) {
    return constant(origin, {{std::int64_t(values.size())}, std::move(values)});
}

Status NodeWriter::finish() {
    graph_.nodes = std::move(nodes_);
    return status_;
}

}  // namespace sluice
