#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "passes/edit.h"
#include "passes/links.h"
#include "passes/passes.h"
#include "passes/quantised.h"

namespace sluice {
namespace {

/// How a node meets quantised values.
enum class Form {
    plain,    ///< reads and writes floats
    layer,    ///< a quantised convolution or Gemm
    rounded,  ///< Add, an average or affine of uint8, together with the rounding after it
    merged,   ///< that rounding
    copy,     ///< reads and writes uint8 where something reads its output so
    quantize,
    dequantize,
    rounding,  ///< by itself
};

/// Whether an affine's numbers are floats also in units of what it reads and writes.
bool has_finite_units(const Affine& affine, const Quantization& x, const Quantization& y) {
    const auto fits = [](const std::vector<float>& values, double unit) {
        return std::all_of(values.begin(), values.end(), [unit](float value) {
            return std::abs(value * unit) <= double(std::numeric_limits<float>::max());
        });
    };
    return fits(affine.scale, double(x.scale) / y.scale) && fits(affine.shift, 1 / double(y.scale));
}

bool copies_uint8(const Graph& graph, const Node& node) {
    return is_copy(graph, node) && node.op != Op::expand;
}

class ByteWriter {
public:
    explicit ByteWriter(Graph& graph)
        : graph_(graph),
          links_(graph),
          grids_(grids_of(graph)),
          forms_(graph.nodes.size(), Form::plain),
          wants_bytes_(graph.values.size(), false),
          wants_floats_(graph.values.size(), false),
          bytes_(graph.values.size(), no_value) {}

    Status write() {
        for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
            find_form(i);
        }
        find_wants();
        nodes_.reserve(graph_.nodes.size());
        for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
            SLUICE_RETURN_IF_ERROR(write(i));
        }
        graph_.nodes = std::move(nodes_);
        return {};
    }

private:
    Value& value(ValueId id) { return graph_.values[std::size_t(id)]; }
    const std::optional<Quantization>& grid(ValueId id) const { return grids_[std::size_t(id)]; }
    bool wants_bytes(ValueId id) const { return wants_bytes_[std::size_t(id)]; }
    bool wants_floats(ValueId id) const { return wants_floats_[std::size_t(id)]; }

    /// The rounding that alone reads what an Add, average or affine of uint8 writes; else null.
    Node* rounding_after(const Node& node) const {
        const Shape& shape = shape_of(graph_, node.outputs[0]);
        const bool sums = node.op == Op::add;
        const bool averages = node.op == Op::average_pool || node.op == Op::global_average_pool;
        if (!sums && !averages && node.op != Op::affine) {
            return nullptr;
        }
        for (const ValueId id : node.inputs) {
            if (!grid(id) || (sums && shape_of(graph_, id) != shape)) {
                return nullptr;
            }
        }
        Node* reader = links_.sole_reader(node.outputs[0]);
        if (reader == nullptr || reader->op != Op::fake_quantize) {
            return nullptr;
        }
        const bool fits = !node.affine || has_finite_units(*node.affine, *grid(node.inputs[0]),
                                                           *reader->quantization);
        return fits ? reader : nullptr;
    }

    void find_form(std::size_t place) {
        const Node& node = graph_.nodes[place];
        Form& form = forms_[place];
        if (form == Form::merged) {
            return;
        }
        if (node.fused_conv && node.fused_conv->is_quantised()) {
            form = Form::layer;
        } else if (node.op == Op::quantize_linear) {
            form = Form::quantize;
        } else if (node.op == Op::dequantize_linear) {
            form = Form::dequantize;
        } else if (node.op == Op::fake_quantize) {
            form = Form::rounding;
        } else if (copies_uint8(graph_, node) && grid(node.outputs[0])) {
            form = Form::copy;
        } else if (const Node* rounding = rounding_after(node)) {
            form = Form::rounded;
            forms_[std::size_t(rounding - graph_.nodes.data())] = Form::merged;
        }
    }

    /// From the last node to the first: readers come before what they read.
    void find_wants() {
        for (const ValueId id : graph_.outputs) {
            wants_floats_[std::size_t(id)] = value(id).is_float();
        }
        for (std::size_t place = graph_.nodes.size(); place-- > 0;) {
            const Node& node = graph_.nodes[place];
            for (std::size_t i = 0; i < node.inputs.size(); ++i) {
                const ValueId id = node.inputs[i];
                if (id != no_value && graph_.constant(id) == nullptr) {
                    auto& wants =
                        reads_bytes(forms_[place], node, i) ? wants_bytes_ : wants_floats_;
                    wants[std::size_t(id)] =
                        wants[std::size_t(id)] || forms_[place] != Form::merged;
                }
            }
        }
    }

    bool reads_bytes(Form form, const Node& node, std::size_t input) const {
        switch (form) {
            case Form::layer:
                return input != 1;  // the gate
            case Form::rounded:
            case Form::dequantize:
                return true;
            case Form::copy:
                return wants_bytes(node.outputs[0]) && input < copied_inputs(node);
            case Form::quantize:
                return grid(node.inputs[0]) == node.quantization;
            default:
                return false;
        }
    }

    Status write(std::size_t place) {
        Node& node = graph_.nodes[place];
        const ValueId y = node.outputs[0];
        switch (forms_[place]) {
            case Form::merged:
                return {};
            case Form::quantize:
                write_output_bytes(node);
                return {};
            case Form::dequantize:
                write_input_floats(node);
                return {};
            case Form::rounding:
                node.op = Op::quantize_linear;
                write_bytes(std::move(node), y, *node.quantization);
                return {};
            case Form::rounded: {
                const Node& rounding = *links_.sole_reader(y);
                return read_bytes(node, [&] {
                    write_bytes(std::move(node), rounding.outputs[0], *rounding.quantization);
                });
            }
            case Form::layer:
                return read_bytes(node, [&] { write_layer(node); });
            case Form::copy:
                if (wants_bytes(y)) {
                    return read_bytes(node, [&] { write_bytes(std::move(node), y, *grid(y)); });
                }
                break;
            case Form::plain:
                break;
        }
        nodes_.push_back(std::move(node));
        if (wants_bytes(y) && grid(y)) {
            quantize(y);
        }
        return {};
    }

    /// Lets the node read uint8 where it does, then calls `write`.
    template <typename Write>
    Status read_bytes(Node& node, Write write) {
        const Form form = forms_[std::size_t(&node - graph_.nodes.data())];
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            ValueId& id = node.inputs[i];
            if (id == no_value || !reads_bytes(form, node, i)) {
                continue;
            }
            if (bytes_[std::size_t(id)] == no_value) {
                return error_at(graph_, node,
                                "reads '" + value(id).name + "' as uint8, which nothing rounds",
                                "put QuantizeLinear and DequantizeLinear before it");
            }
            id = bytes_[std::size_t(id)];
        }
        write();
        return {};
    }

    /// A gated layer skips outputs of uint8 alone, so it writes them also where floats are read.
    void write_layer(Node& node) {
        const ValueId y = node.outputs[0];
        const bool is_gated = node.fused_conv->gate != GateForm::none;
        if (!(wants_bytes(y) || is_gated) || !node.fused_conv->output_rounding) {
            nodes_.push_back(std::move(node));
            return;
        }
        const Quantization rounding =
            *std::exchange(node.fused_conv->output_rounding, std::nullopt);
        write_bytes(std::move(node), y, rounding);
    }

    /// Appends a node that writes `id` as uint8, and what makes floats of it where they are read.
    void write_bytes(Node node, ValueId id, const Quantization& quantization) {
        const ValueId bytes = wants_floats(id) ? add_bytes(id) : id;
        value(bytes).type = ElementType::uint8;
        value(bytes).quantization = quantization;
        bytes_[std::size_t(id)] = bytes;
        node.outputs = {bytes};
        nodes_.push_back(std::move(node));
        if (bytes != id) {
            convert(Op::dequantize_linear, bytes, id, quantization);
        }
    }

    void write_output_bytes(Node& node) {
        const ValueId bytes = bytes_[std::size_t(node.inputs[0])];
        if (bytes != no_value && value(bytes).quantization == node.quantization) {
            node.op = Op::identity;
            node.inputs = {bytes};
            node.quantization.reset();
        }
        nodes_.push_back(std::move(node));
    }

    void write_input_floats(Node& node) {
        const ValueId bytes = node.inputs[0], y = node.outputs[0];
        const bool is_same = value(bytes).quantization == node.quantization;
        if (is_same) {
            bytes_[std::size_t(y)] = bytes;
        }
        if (!is_same || wants_floats(y)) {
            nodes_.push_back(std::move(node));
        }
        if (!is_same && wants_bytes(y)) {
            quantize(y);
        }
    }

    /// Makes uint8 of the floats `id`, which are rounded already.
    void quantize(ValueId id) {
        const ValueId bytes = add_bytes(id);
        value(bytes).type = ElementType::uint8;
        value(bytes).quantization = grid(id);
        bytes_[std::size_t(id)] = bytes;
        convert(Op::quantize_linear, id, bytes, *grid(id));
    }

    void convert(Op op, ValueId from, ValueId to, const Quantization& quantization) {
        Node& node = nodes_.emplace_back();
        node.op = op;
        node.name = value(from).name + (op == Op::quantize_linear ? ".quantize" : ".dequantize");
        node.inputs = {from};
        node.outputs = {to};
        node.quantization = quantization;
    }

    ValueId add_bytes(ValueId id) {
        Value bytes;
        bytes.name = value(id).name + ".uint8";
        bytes.shape = value(id).shape;
        bytes.shape_known = true;
        return graph_.add_value(std::move(bytes));
    }

    Graph& graph_;
    const Links links_;
    const Grids grids_;
    std::vector<Form> forms_;  ///< of each node
    /// Of each value, as which something reads it.
    std::vector<bool> wants_bytes_, wants_floats_;
    std::vector<ValueId> bytes_;  ///< of each value, the one that holds it as uint8
    std::vector<Node> nodes_;
};

}  // namespace

Status quantise_values(Graph& graph) { return ByteWriter(graph).write(); }

}  // namespace sluice
