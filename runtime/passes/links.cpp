#include "passes/links.h"

#include <algorithm>
#include <utility>

namespace sluice {
namespace {

Node empty_node() {
    Node node;
    node.op = Op::identity;
    return node;
}

}  // namespace

Links::Links(Graph& graph)
    : graph_(graph),
      producers_(graph.values.size()),
      readers_(graph.values.size()),
      is_output_(graph.values.size()) {
    for (Node& node : graph.nodes) {
        for (const ValueId id : node.outputs) {
            producers_[std::size_t(id)] = &node;
        }
        for (const ValueId id : node.inputs) {
            if (id != no_value) {
                readers(id).push_back(&node);
            }
        }
    }
    for (const ValueId id : graph.outputs) {
        is_output_[std::size_t(id)] = true;
    }
}

Node* Links::producer(ValueId id) const {
    return id == no_value ? nullptr : producers_[std::size_t(id)];
}

int Links::consumer_count(ValueId id) const {
    return int(readers_[std::size_t(id)].size()) + (is_output_[std::size_t(id)] ? 1 : 0);
}

Node* Links::sole_reader(ValueId id) const {
    const std::vector<Node*>& nodes = readers_[std::size_t(id)];
    return nodes.size() == 1 && consumer_count(id) == 1 ? nodes.front() : nullptr;
}

/// Takes the node off the lists of what it reads.
void Links::detach(Node& node) {
    for (const ValueId id : node.inputs) {
        if (id != no_value) {
            // Once for each input: a node may read a value twice.
            readers(id).erase(std::find(readers(id).begin(), readers(id).end(), &node));
        }
    }
}

/// Removes the node that writes a value, and what it alone reads, where nobody reads the value.
void Links::release(ValueId id) {
    Node* node = producer(id);
    if (node == nullptr || consumer_count(id) > 0) {
        return;
    }
    detach(*node);
    producers_[std::size_t(id)] = nullptr;
    const std::vector<ValueId> inputs = std::exchange(*node, empty_node()).inputs;
    for (const ValueId input : inputs) {
        release(input);
    }
}

void Links::set_input(Node& node, std::size_t index, ValueId id) {
    const ValueId before = node.inputs[index];
    detach(node);
    node.inputs[index] = id;
    for (const ValueId input : node.inputs) {
        if (input != no_value) {
            readers(input).push_back(&node);
        }
    }
    release(before);
}

void Links::move_into(Node& node, Node& result) {
    const std::vector<ValueId> led_to_result = result.inputs;
    detach(result);
    producers_[std::size_t(node.outputs[0])] = nullptr;
    node.outputs = result.outputs;
    result = std::exchange(node, empty_node());
    producers_[std::size_t(result.outputs[0])] = &result;
    for (const ValueId id : result.inputs) {
        if (id != no_value) {
            std::replace(readers(id).begin(), readers(id).end(), &node, &result);
        }
    }
    for (const ValueId id : led_to_result) {
        release(id);
    }
}

void Links::absorb(Node& node, Node& reader) {
    detach(reader);
    producers_[std::size_t(node.outputs[0])] = nullptr;
    node.outputs = std::exchange(reader, empty_node()).outputs;
    producers_[std::size_t(node.outputs[0])] = &node;
}

}  // namespace sluice
