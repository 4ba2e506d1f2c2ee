#include "passes/links.h"

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
            attach(node, id);
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
    return readers_[std::size_t(id)].count + (is_output_[std::size_t(id)] ? 1 : 0);
}

Node* Links::sole_reader(ValueId id) const {
    const Readers& readers = readers_[std::size_t(id)];
    return readers.count == 1 && consumer_count(id) == 1 ? &graph_.nodes[readers.places] : nullptr;
}

void Links::attach(const Node& node, ValueId id) {
    if (id != no_value) {
        ++readers(id).count;
        readers(id).places += place(node);
    }
}

void Links::detach(const Node& node, ValueId id) {
    if (id != no_value) {
        --readers(id).count;
        readers(id).places -= place(node);
    }
}

void Links::detach(const Node& node) {
    for (const ValueId id : node.inputs) {
        detach(node, id);
    }
}

/// Removes the nodes that write values nobody reads, and what they alone read.
void Links::release(std::vector<ValueId> ids) {
    while (!ids.empty()) {
        const ValueId id = ids.back();
        ids.pop_back();
        Node* node = producer(id);
        if (node == nullptr || consumer_count(id) > 0) {
            continue;
        }
        detach(*node);
        producers_[std::size_t(id)] = nullptr;
        const std::vector<ValueId> inputs = std::exchange(*node, empty_node()).inputs;
        ids.insert(ids.end(), inputs.begin(), inputs.end());
    }
}

void Links::set_input(Node& node, std::size_t index, ValueId id) {
    const ValueId before = std::exchange(node.inputs[index], id);
    detach(node, before);
    attach(node, id);
    release({before});
}

void Links::add_input(Node& node, ValueId id) {
    node.inputs.push_back(id);
    attach(node, id);
}

void Links::become(Node& node, Op op, std::vector<ValueId> inputs) {
    detach(node);
    node.op = op;
    node.attributes.clear();
    const std::vector<ValueId> before = std::exchange(node.inputs, std::move(inputs));
    for (const ValueId id : node.inputs) {
        attach(node, id);
    }
    release(before);
}

void Links::move_into(Node& node, Node& result) {
    const std::vector<ValueId> led_to_result = result.inputs;
    detach(result);
    detach(node);
    producers_[std::size_t(node.outputs[0])] = nullptr;
    node.outputs = result.outputs;
    result = std::exchange(node, empty_node());
    producers_[std::size_t(result.outputs[0])] = &result;
    for (const ValueId id : result.inputs) {
        attach(result, id);
    }
    release(led_to_result);
}

void Links::absorb(Node& node, Node& reader) {
    detach(reader);
    producers_[std::size_t(node.outputs[0])] = nullptr;
    node.outputs = std::exchange(reader, empty_node()).outputs;
    producers_[std::size_t(node.outputs[0])] = &node;
}

}  // namespace sluice
