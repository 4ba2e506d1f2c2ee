#pragma once

#include <vector>

#include "graph/graph.h"

namespace sluice {

/// Who writes and who reads each value, kept in step with the rewrites of a pass, so that neither
/// asking nor rewriting takes a walk over the graph or over a value's readers. Nodes keep their
/// places meanwhile: one that goes leaves an Identity without inputs and outputs behind, which
/// remove_dead_nodes drops when the pass is done.
class Links {
public:
    explicit Links(Graph& graph);

    const Graph& graph() const { return graph_; }
    /// The node that writes the value, or null for inputs and constants.
    Node* producer(ValueId id) const;
    /// Once for each reading; graph outputs count as consumers.
    int consumer_count(ValueId id) const;
    /// The only node that reads the value; null where several do, or none, or where it is an
    /// output.
    Node* sole_reader(ValueId id) const;

    /// What nobody reads any more goes, here and below.
    void set_input(Node& node, std::size_t index, ValueId id);
    void add_input(Node& node, ValueId id);
    /// `node` becomes another operator of other inputs, without attributes, and keeps its output.
    void become(Node& node, Op op, std::vector<ValueId> inputs);
    /// `node` moves into the place of the later `result` and takes over its output. Nothing between
    /// them may read what `node` wrote but what led to `result`.
    void move_into(Node& node, Node& result);
    /// `node` takes over the output of `reader`, the only one to read what it wrote.
    void absorb(Node& node, Node& reader);

private:
    /// The readings of a value, and the sum of the readers' places: that of the only one, where
    /// there is one.
    struct Readers {
        int count = 0;
        std::size_t places = 0;
    };
    Readers& readers(ValueId id) { return readers_[std::size_t(id)]; }
    std::size_t place(const Node& node) const { return std::size_t(&node - graph_.nodes.data()); }
    void attach(const Node& node, ValueId id);
    void detach(const Node& node, ValueId id);
    void detach(const Node& node);
    void release(std::vector<ValueId> ids);

    Graph& graph_;
    std::vector<Node*> producers_;  ///< of each value, as the next two
    std::vector<Readers> readers_;
    std::vector<bool> is_output_;
};

}  // namespace sluice
