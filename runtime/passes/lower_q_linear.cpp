#include "graph/quantization.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/quantised.h"

namespace sluice {
namespace {

/// Writes a node of bytes as nodes of floats between DequantizeLinear and QuantizeLinear.
class Lowering {
public:
    Lowering(Graph& graph, Node& node, std::vector<Node>& nodes)
        : graph_(graph), node_(node), nodes_(nodes) {}

    /// `axis` of the scales, where there are several.
    ValueId dequantized(const char* name, ValueId x, ValueId scale, ValueId zero,
                        std::int64_t axis) {
        const ValueId floats = add_value(name, shape_of(graph_, x));
        add_node(Op::dequantize_linear, name, {x, scale, zero}, floats).attributes["axis"] = axis;
        return floats;
    }
    ValueId input(std::size_t i) const {
        return i < node_.inputs.size() ? node_.inputs[i] : no_value;
    }
    ValueId one() { return add_constant("scale", {{}, std::vector<float>{1}}); }
    /// The floats of an int32 bias, which is in units of x's scale times those of the weights.
    Result<ValueId> bias(ValueId ints, float x_scale, const std::vector<float>& scales) {
        const Constant* constant = graph_.constant(ints);
        if (constant == nullptr || !constant->is_int64()) {
            return error_at(graph_, node_, "has a bias that is no constant int32",
                            "quantise the model again");
        }
        std::vector<float> floats;
        for (const std::int64_t number : constant->ints()) {
            const double scale = scales[scales.size() == 1 ? 0 : floats.size()];
            floats.push_back(float(double(number) * (double(x_scale) * scale)));
        }
        return add_constant("bias", {constant->shape, std::move(floats)});
    }
    /// The node itself, which then computes floats.
    void add_self(Op op, std::vector<ValueId> inputs, ValueId output) {
        node_.op = op;
        node_.inputs = std::move(inputs);
        node_.outputs = {output};
        nodes_.push_back(std::move(node_));
    }
    ValueId add_value(const char* name, const Shape& shape) {
        Value value;
        value.name = node_.name + "." + name;
        value.shape = shape;
        value.shape_known = true;
        return graph_.add_value(std::move(value));
    }
    Node& add_node(Op op, const char* name, std::vector<ValueId> inputs, ValueId output) {
        Node& node = nodes_.emplace_back();
        node.op = op;
        node.name = node_.name + "." + name;
        node.inputs = std::move(inputs);
        node.outputs = {output};
        return node;
    }

private:
    ValueId add_constant(const char* name, Constant constant) {
        const ValueId id = add_value(name, constant.shape);
        graph_.values[std::size_t(id)].constant =
            std::make_shared<const Constant>(std::move(constant));
        return id;
    }

    Graph& graph_;
    Node& node_;
    std::vector<Node>& nodes_;
};

Status lower_q_linear(Graph& graph, Node& node, std::vector<Node>& nodes) {
    const bool is_conv = node.op == Op::q_linear_conv;
    Lowering lowering(graph, node, nodes);
    const std::int64_t axis = is_conv ? 0 : -1;
    std::vector<ValueId> inputs = {
        lowering.dequantized("x", node.inputs[0], node.inputs[1], node.inputs[2], 1),
        lowering.dequantized("weights", node.inputs[3], node.inputs[4], node.inputs[5], axis)};
    if (lowering.input(8) != no_value) {
        const auto& scales = graph.constant(node.inputs[4])->floats();
        auto bias = lowering.bias(node.inputs[8], graph.constant(node.inputs[1])->floats()[0],
                                  {scales.begin(), scales.end()});
        if (!bias.ok()) {
            return bias.status();
        }
        inputs.push_back(bias.value());
    }
    const ValueId y = node.outputs[0];
    const ValueId scale = node.inputs[6], zero = node.inputs[7];
    const ValueId floats = lowering.add_value("floats", shape_of(graph, y));
    const std::string name = node.name;
    lowering.add_self(is_conv ? Op::conv : Op::mat_mul, std::move(inputs), floats);
    Node& quantize = nodes.emplace_back();
    quantize.op = Op::quantize_linear;
    quantize.name = name + ".quantize";
    quantize.inputs = {floats, scale, zero};
    quantize.outputs = {y};
    return {};
}

/// Whether all that reads a value turns it into floats.
bool is_cast_alone(const Graph& graph, ValueId id) {
    for (const Node& node : graph.nodes) {
        for (const ValueId input : node.inputs) {
            if (input == id &&
                (node.op != Op::cast || !graph.values[std::size_t(node.outputs[0])].is_float())) {
                return false;
            }
        }
    }
    return std::count(graph.outputs.begin(), graph.outputs.end(), id) == 0;
}

void lower_integer(Graph& graph, Node& node, std::vector<Node>& nodes) {
    const bool is_conv = node.op == Op::conv_integer;
    Lowering lowering(graph, node, nodes);
    const ValueId one = lowering.one();
    std::vector<ValueId> inputs = {
        lowering.dequantized("x", node.inputs[0], one, lowering.input(2), 1),
        lowering.dequantized("weights", node.inputs[1], one, lowering.input(3), 0)};
    const ValueId y = node.outputs[0];
    graph.values[std::size_t(y)].type = ElementType::float32;
    lowering.add_self(is_conv ? Op::conv : Op::mat_mul, std::move(inputs), y);
}

}  // namespace

Status lower_q_linear(Graph& graph) {
    std::vector<Node> nodes;
    nodes.reserve(graph.nodes.size());
    for (const Node& node : graph.nodes) {
        const bool gives_int32 = node.op == Op::conv_integer || node.op == Op::mat_mul_integer;
        if (gives_int32 && !is_cast_alone(graph, node.outputs[0])) {
            return error_at(graph, node, "gives int32 that something else than a Cast reads",
                            "quantise with QuantFormat.QDQ");
        }
    }
    for (Node& node : graph.nodes) {
        switch (node.op) {
            case Op::q_linear_conv:
            case Op::q_linear_mat_mul:
                SLUICE_RETURN_IF_ERROR(lower_q_linear(graph, node, nodes));
                break;
            case Op::conv_integer:
            case Op::mat_mul_integer:
                lower_integer(graph, node, nodes);
                break;
            default:
                nodes.push_back(std::move(node));
        }
    }
    graph.nodes = std::move(nodes);
    return {};
}

}  // namespace sluice
