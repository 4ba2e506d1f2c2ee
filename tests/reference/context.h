#pragma once

#include <map>
#include <optional>
#include <string>

#include "reference/operators.h"

namespace sluice::reference {

/// The tensors computed so far and the node at hand.
struct Context {
    const Graph& graph;
    const Node& node;
    const std::map<ValueId, Tensor>& values;

    ValueId id(std::size_t i) const { return i < node.inputs.size() ? node.inputs[i] : no_value; }
    const Tensor& input(std::size_t i) const { return values.at(id(i)); }
    const Tensor* optional(std::size_t i) const {
        return id(i) == no_value ? nullptr : &values.at(id(i));
    }
    float scalar(std::size_t i, float fallback) const {
        return id(i) == no_value ? fallback : input(i).data[0];
    }
    Shape ints(std::size_t i, const Shape& fallback) const {
        const Constant* constant = id(i) == no_value ? nullptr : graph.constant(id(i));
        return constant == nullptr ? fallback : Shape(constant->ints());
    }
    Shape ints(const char* name, const Shape& fallback) const {
        return graph.ints_attribute(node, name, fallback);
    }
    std::int64_t integer(const char* name, std::int64_t fallback) const {
        return graph.int_attribute(node, name, fallback);
    }
    const Shape& shape() const { return graph.values[std::size_t(node.outputs[0])].shape; }
};

/// The window of a Conv or a pool whose kernel has the extents {y, x}.
Window window_of(const Context& c, const Shape& kernel);
Window pool_window(const Context& c);

/// What a node gives that reads or writes quantised numbers, as a file or as the passes state it;
/// none of another node.
std::optional<Tensor> interpret_quantised(const Context& c);

}  // namespace sluice::reference
