#include "onnx/upgrade.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace sluice {
namespace {

ValueId add_constant(Graph& graph, const Node& node, const char* what, Constant constant) {
    Value value;
    value.name = node.name + "." + what;
    value.shape = constant.shape;
    value.shape_known = true;
    value.type = constant.type();
    value.constant = std::make_shared<const Constant>(std::move(constant));
    return graph.add_value(std::move(value));
}

void set_input(Node& node, std::size_t index, ValueId id) {
    node.inputs.resize(std::max(node.inputs.size(), index + 1), no_value);
    node.inputs[index] = id;
}

/// A list of integers or floats, or a float, becomes an input where the attribute is there.
void to_input(Graph& graph, Node& node, const char* attribute, std::size_t index) {
    const auto found = node.attributes.find(attribute);
    if (found == node.attributes.end()) {
        return;
    }
    if (const auto* ints = std::get_if<std::vector<std::int64_t>>(&found->second)) {
        set_input(node, index,
                  add_constant(graph, node, attribute, {{std::int64_t(ints->size())}, *ints}));
    } else if (const auto* floats = std::get_if<std::vector<float>>(&found->second)) {
        set_input(node, index,
                  add_constant(graph, node, attribute, {{std::int64_t(floats->size())}, *floats}));
    } else if (const auto* number = std::get_if<float>(&found->second)) {
        set_input(node, index,
                  add_constant(graph, node, attribute, {{}, std::vector<float>{*number}}));
    }
    node.attributes.erase(attribute);
}

/// Before opset 11 an element of the output was one of the input's from the same corner, and before
/// opset 10 the operator was Upsample.
void upgrade_resize(Graph& graph, Node& node) {
    if (graph.opset >= 11) {
        return;
    }
    to_input(graph, node, "scales", 1);
    if (node.inputs.size() > 1) {
        set_input(node, 2, node.inputs[1]);
        node.inputs[1] = no_value;
    }
    node.attributes["coordinate_transformation_mode"] = std::string("asymmetric");
    node.attributes["nearest_mode"] = std::string("floor");
}

Status check_batch_normalization(const Graph& graph, const Node& node) {
    if (graph.opset < 9 && graph.int_attribute(node, "spatial", 1) == 0) {
        return error_at(graph, node, "normalises each element by statistics of its own (spatial 0)",
                        "export with spatial 1");
    }
    return {};
}

}  // namespace

Status upgrade(Graph& graph, Node& node) {
    switch (node.op) {
        case Op::batch_normalization:
            return check_batch_normalization(graph, node);
        case Op::clip:
            if (graph.opset < 11) {
                to_input(graph, node, "min", 1);
                to_input(graph, node, "max", 2);
            }
            break;
        case Op::pad:
            if (graph.opset < 11) {
                to_input(graph, node, "pads", 1);
                to_input(graph, node, "value", 2);
            }
            break;
        case Op::slice:
            if (graph.opset < 10) {
                to_input(graph, node, "starts", 1);
                to_input(graph, node, "ends", 2);
                to_input(graph, node, "axes", 3);
            }
            break;
        case Op::split:
            if (graph.opset < 13) {
                to_input(graph, node, "split", 1);
            }
            break;
        case Op::squeeze:
        case Op::unsqueeze:
            if (graph.opset < 13) {
                to_input(graph, node, "axes", 1);
            }
            break;
        case Op::softmax:
        case Op::log_softmax:
            if (graph.opset < 13) {
                node.attributes["flattened"] = std::int64_t{1};
                node.attributes.emplace("axis", std::int64_t{1});
            }
            break;
        case Op::resize:
            upgrade_resize(graph, node);
            break;
        default:
            break;
    }
    return {};
}

}  // namespace sluice
