#pragma once

#include <algorithm>
#include <vector>

#include "graph/graph.h"

namespace sluice {

/// Who reads each value of a graph, which stays as it is.
class Readers {
public:
    explicit Readers(const Graph& graph)
        : readings_(graph.values.size()), is_output_(graph.values.size(), false) {
        for (const Node& node : graph.nodes) {
            for (std::size_t i = 0; i < node.inputs.size(); ++i) {
                if (node.inputs[i] != no_value) {
                    readings_[std::size_t(node.inputs[i])].push_back({&node, i});
                }
            }
        }
        for (const ValueId id : graph.outputs) {
            is_output_[std::size_t(id)] = true;
        }
    }

    /// Whether `is_such(node, input)` holds for every input of a node that reads the value.
    template <typename IsSuch>
    bool every(ValueId id, IsSuch is_such) const {
        const auto& readings = readings_[std::size_t(id)];
        return std::all_of(readings.begin(), readings.end(), [&](const Reading& reading) {
            return is_such(*reading.node, reading.input);
        });
    }
    /// Whether no node behind this one reads the value.
    bool is_last(const Node& node, ValueId id) const {
        const auto& readings = readings_[std::size_t(id)];
        return !is_output(id) && !readings.empty() && readings.back().node == &node;
    }
    /// Whether a node behind this one reads the value, or the caller does.
    bool is_read_after(const Node& node, ValueId id) const {
        const auto& readings = readings_[std::size_t(id)];
        return is_output(id) || (!readings.empty() && readings.back().node > &node);
    }
    bool is_output(ValueId id) const { return is_output_[std::size_t(id)]; }

    /// Whether all readers of a value take it for a gate.
    bool only_gates(ValueId id) const { return only_convolutions(id, 1); }
    /// Whether convolutions alone read it, as what they convolve.
    bool only_convolved(ValueId id) const { return only_convolutions(id, 0); }
    /// Whether all readers of a value quantise it.
    bool only_quantised(ValueId id) const {
        return !is_output(id) && every(id, [](const Node& node, std::size_t) {
            return node.op == Op::quantize_linear;
        });
    }
    /// Whether all readers of a value copy it, from any strides.
    bool only_copied(ValueId id) const {
        return every(id, [](const Node& node, std::size_t) {
            return node.op == Op::slice || node.op == Op::pad || node.op == Op::concat ||
                   node.op == Op::transpose || node.op == Op::expand ||
                   node.op == Op::depth_to_space || node.op == Op::space_to_depth;
        });
    }

private:
    bool only_convolutions(ValueId id, std::size_t as_input) const {
        return !is_output(id) && every(id, [as_input](const Node& node, std::size_t input) {
            return node.op == Op::fused_conv && input == as_input;
        });
    }

    struct Reading {
        const Node* node;
        std::size_t input;
    };
    std::vector<std::vector<Reading>> readings_;  ///< of each value, as the next
    std::vector<bool> is_output_;
};

}  // namespace sluice
