#include <utility>

#include "graph/quantization.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/quantised.h"

namespace sluice {
namespace {

/// What int8 or uint8 numbers stand for, and the float value that holds what they stand for.
struct Floats8 {
    Quantization quantization;
    ValueId floats = no_value;  ///< none of an input until something reads it
};

/// Rewrites a graph of int8 and uint8 values as one of floats.
class FloatWriter {
public:
    explicit FloatWriter(Graph& graph)
        : graph_(graph), bytes_(graph.values.size()), is_output_(graph.values.size(), false) {
        for (const ValueId id : graph.outputs) {
            is_output_[std::size_t(id)] = true;
        }
    }

    Status write() {
        SLUICE_RETURN_IF_ERROR(find_numbers());
        nodes_.reserve(graph_.nodes.size());
        for (const ValueId id : graph_.inputs) {
            declare_input(id);
        }
        for (Node& node : graph_.nodes) {
            SLUICE_RETURN_IF_ERROR(write(node));
        }
        graph_.nodes = std::move(nodes_);
        for (const auto& [id, quantization] : kept_) {
            value(id).is_int8_outside = value(id).type == ElementType::int8;
            value(id).type = ElementType::uint8;
            value(id).quantization = quantization;
        }
        return {};
    }

private:
    Value& value(ValueId id) { return graph_.values[std::size_t(id)]; }
    bool is_byte(ValueId id) const {
        return id != no_value && sluice::is_byte(graph_.values[std::size_t(id)]);
    }
    bool is_activation(ValueId id) const { return is_byte(id) && graph_.constant(id) == nullptr; }

    /// The numbers of an activation that a QuantizeLinear or DequantizeLinear states.
    Result<Quantization> numbers_of(const Node& node) const {
        auto numbers = scales_and_zeros(graph_, node);
        if (numbers.ok() && numbers->scales.size() > 1) {
            return error_at(graph_, node, "quantises activations by several scales",
                            "quantise activations per tensor");
        }
        return numbers.ok() ? Result<Quantization>(numbers->quantization())
                            : Result<Quantization>(numbers.status());
    }

    /// What an input of the graph stands for is said where it is read.
    Status find_numbers() {
        for (auto node = graph_.nodes.rbegin(); node != graph_.nodes.rend(); ++node) {
            if (node->inputs.empty() || !is_activation(node->inputs[0])) {
                continue;
            }
            auto& found = bytes_[std::size_t(node->inputs[0])];
            if (node->op == Op::dequantize_linear) {
                const auto numbers = numbers_of(*node);
                if (!numbers.ok()) {
                    return numbers.status();
                }
                found = {numbers.value(), no_value};
            } else if (node->op == Op::cast) {
                found = {plain_numbers(node->inputs[0]), no_value};
            } else if (copies_bytes(graph_, *node) && bytes_[std::size_t(node->outputs[0])]) {
                found = bytes_[std::size_t(node->outputs[0])];
            }
        }
        return {};
    }

    void declare_input(ValueId id) {
        if (!is_byte(id)) {
            return;
        }
        if (!bytes_[std::size_t(id)]) {
            bytes_[std::size_t(id)] = {plain_numbers(id), no_value};
        }
        kept_.emplace_back(id, bytes_[std::size_t(id)]->quantization);
        Node& node = add_node(Op::dequantize_linear, value(id).name + ".dequantize");
        node.inputs = {id};
        node.outputs = {add_floats(id)};
        node.quantization = bytes_[std::size_t(id)]->quantization;
        bytes_[std::size_t(id)]->floats = node.outputs[0];
    }

    /// Of bytes that are read as the integers they are.
    Quantization plain_numbers(ValueId id) const {
        return {1, graph_.values[std::size_t(id)].type == ElementType::int8 ? 128 : 0};
    }

    ValueId add_floats(ValueId id) {
        Value floats;
        floats.name = value(id).name + ".floats";
        floats.shape = value(id).shape;
        floats.shape_known = true;
        return graph_.add_value(std::move(floats));
    }

    Node& add_node(Op op, std::string name) {
        Node& node = nodes_.emplace_back();
        node.op = op;
        node.name = std::move(name);
        return node;
    }

    /// `id` is what `floats` stand for; an output of the graph is written as bytes.
    void set_bytes(ValueId id, const Quantization& quantization, ValueId floats) {
        bytes_.resize(graph_.values.size());
        bytes_[std::size_t(id)] = {quantization, floats};
        if (is_output_[std::size_t(id)]) {
            Node& node = add_node(Op::quantize_linear, value(id).name + ".quantize");
            node.inputs = {floats};
            node.outputs = {id};
            node.quantization = quantization;
            kept_.emplace_back(id, quantization);
        }
    }

    Status write(Node& node) {
        const bool is_weights =
            node.op == Op::dequantize_linear && graph_.constant(node.inputs[0]) != nullptr;
        if (node.op == Op::quantize_linear) {
            return quantize(node);
        }
        if (node.op == Op::dequantize_linear && !is_weights) {
            return dequantize(node);
        }
        if (node.op == Op::cast && is_activation(node.inputs[0])) {
            return read_as(node, plain_numbers(node.inputs[0]));
        }
        if (copies_bytes(graph_, node)) {
            return copy(node);
        }
        for (const ValueId id : node.inputs) {
            if (is_byte(id) && !is_weights) {
                return error_at(graph_, node, "computes with int8 or uint8",
                                "put DequantizeLinear before it");
            }
        }
        nodes_.push_back(std::move(node));
        return {};
    }

    Status quantize(Node& node) {
        const auto numbers = numbers_of(node);
        if (!numbers.ok()) {
            return numbers.status();
        }
        const ValueId bytes = node.outputs[0];
        node.op = Op::fake_quantize;
        node.inputs.resize(1);
        node.outputs = {add_floats(bytes)};
        node.attributes.clear();
        node.quantization = numbers.value();
        nodes_.push_back(std::move(node));
        const ValueId floats = nodes_.back().outputs[0];
        set_bytes(bytes, numbers.value(), floats);
        return {};
    }

    Status dequantize(Node& node) {
        const auto numbers = numbers_of(node);
        return numbers.ok() ? read_as(node, numbers.value()) : numbers.status();
    }

    /// The node gives the floats that bytes stand for by these numbers.
    Status read_as(Node& node, const Quantization& quantization) {
        const Floats8& from = *bytes_[std::size_t(node.inputs[0])];
        node.attributes.clear();
        if (from.quantization == quantization) {
            node.op = Op::identity;
            node.inputs = {from.floats};
            nodes_.push_back(std::move(node));
            return {};
        }
        const ValueId bytes = add_floats(node.inputs[0]);
        Node& quantize = add_node(Op::quantize_linear, node.name + ".quantize");
        quantize.inputs = {from.floats};
        quantize.outputs = {bytes};
        quantize.quantization = from.quantization;
        value(bytes).type = ElementType::uint8;
        value(bytes).quantization = from.quantization;
        node.op = Op::dequantize_linear;
        node.inputs = {bytes};
        node.quantization = quantization;
        nodes_.push_back(std::move(node));
        return {};
    }

    Status copy(Node& node) {
        const auto& first = bytes_[std::size_t(node.inputs[0])];
        if (!first) {
            return error_at(graph_, node, "copies constants of int8 or uint8",
                            "put DequantizeLinear before it");
        }
        const Quantization quantization = first->quantization;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            if (!is_byte(node.inputs[i])) {
                continue;
            }
            if (graph_.constant(node.inputs[i]) != nullptr) {
                node.inputs[i] = floats_of_constant(node.inputs[i], quantization);
                continue;
            }
            const auto& from = bytes_[std::size_t(node.inputs[i])];
            if (!from || from->quantization != quantization) {
                return error_at(graph_, node, "joins numbers of several scales",
                                "put DequantizeLinear before it");
            }
            node.inputs[i] = from->floats;
        }
        const ValueId bytes = node.outputs[0];
        const ValueId floats = add_floats(bytes);
        node.outputs = {floats};
        nodes_.push_back(std::move(node));
        set_bytes(bytes, quantization, floats);
        return {};
    }

    ValueId floats_of_constant(ValueId id, const Quantization& quantization) {
        const Constant& constant = *graph_.constant(id);
        const int held_plus = constant.is_int8() ? 128 : 0;
        std::vector<float> floats;
        std::visit(
            [&](const auto& data) {
                for (const auto number : data) {
                    floats.push_back(float(int(number) + held_plus - quantization.zero_point) *
                                     quantization.scale);
                }
            },
            constant.data);
        const ValueId result = add_floats(id);
        value(result).constant =
            std::make_shared<const Constant>(Constant{constant.shape, std::move(floats)});
        return result;
    }

    Graph& graph_;
    std::vector<std::optional<Floats8>> bytes_;  ///< of each value
    std::vector<bool> is_output_;
    std::vector<Node> nodes_;
    /// Bytes that callers give or take; their type says how until all is written.
    std::vector<std::pair<ValueId, Quantization>> kept_;
};

}  // namespace

Status make_fake_quantize(Graph& graph) { return FloatWriter(graph).write(); }

}  // namespace sluice
