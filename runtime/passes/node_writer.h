#pragma once

#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace sluice {

/// Writes the nodes of a graph anew, in order: what a pass keeps, and what it makes of the rest.
class NodeWriter {
public:
    explicit NodeWriter(Graph& graph) : graph_(graph) {}

    const Graph& graph() const { return graph_; }
    void keep(Node node) { nodes_.push_back(std::move(node)); }

    /// A node that stands for a part of `origin`, and its output. The shape is inferred; the first
    /// failure is what `finish` returns.
    ValueId add(const Node& origin, Op op, std::vector<ValueId> inputs,
                AttributeMap attributes = {});
    /// The last node of those that stand for `origin`: it writes its output, and has its name.
    void close(const Node& origin, Op op, std::vector<ValueId> inputs,
               AttributeMap attributes = {});

    ValueId add_value(Value value) { return graph_.add_value(std::move(value)); }
    ValueId floats(const Node& origin, Shape shape, std::vector<float> values);
    ValueId scalar(const Node& origin, float value) { return floats(origin, {}, {value}); }
    ValueId ints(const Node& origin, std::vector<std::int64_t> values);
    const Shape& shape(ValueId id) const { return graph_.values[std::size_t(id)].shape; }

    /// The nodes written become those of the graph.
    Status finish();

private:
    ValueId constant(const Node& origin, Constant constant);
    void push(Node node, ValueId output);

    Graph& graph_;
    std::vector<Node> nodes_;
    Status status_;
};

}  // namespace sluice
