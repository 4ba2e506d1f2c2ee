#include <cstring>
#include <set>

#include "onnx.pb.h"
#include "sweep/net.h"

namespace sluice::sweep {
namespace {

void write(const Attribute& from, onnx::AttributeProto& to) {
    if (const auto* integer = std::get_if<std::int64_t>(&from)) {
        to.set_type(onnx::AttributeProto::INT);
        to.set_i(*integer);
    } else if (const auto* real = std::get_if<float>(&from)) {
        to.set_type(onnx::AttributeProto::FLOAT);
        to.set_f(*real);
    } else if (const auto* text = std::get_if<std::string>(&from)) {
        to.set_type(onnx::AttributeProto::STRING);
        to.set_s(*text);
    } else if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&from)) {
        to.set_type(onnx::AttributeProto::INTS);
        to.mutable_ints()->Add(integers->begin(), integers->end());
    }
}

onnx::TensorProto::DataType data_type(ElementType type) {
    return type == ElementType::float32 ? onnx::TensorProto::FLOAT
           : type == ElementType::uint8 ? onnx::TensorProto::UINT8
           : type == ElementType::int8  ? onnx::TensorProto::INT8
                                        : onnx::TensorProto::INT64;
}

/// `is_int32`: not int64.
void write(const Constant& from, bool is_int32, onnx::TensorProto& to) {
    to.mutable_dims()->Add(from.shape.begin(), from.shape.end());
    if (from.is_int64() && is_int32) {
        to.set_data_type(onnx::TensorProto::INT32);
        const std::vector<std::int32_t> numbers(from.ints().begin(), from.ints().end());
        to.set_raw_data(numbers.data(), numbers.size() * sizeof(std::int32_t));
        return;
    }
    to.set_data_type(data_type(from.type()));
    std::visit(
        [&to](const auto& data) {
            to.set_raw_data(data.data(), data.size() * sizeof(data.front()));
        },
        from.data);
}

/// Extents of a symbolic batch have its name.
void write(const Graph& graph, ValueId id, onnx::ValueInfoProto& to) {
    const Value& value = graph.values[std::size_t(id)];
    to.set_name(value.name);
    auto* type = to.mutable_type()->mutable_tensor_type();
    type->set_elem_type(data_type(value.type));
    for (std::size_t axis = 0; axis < value.shape.size(); ++axis) {
        auto* dimension = type->mutable_shape()->add_dim();
        if (axis == 0 && graph.batch_is_symbolic) {
            dimension->set_dim_param(graph.batch_name);
        } else {
            dimension->set_dim_value(value.shape[axis]);
        }
    }
}

}  // namespace

std::string Net::model() const {
    onnx::ModelProto model;
    model.set_ir_version(9);
    model.add_opset_import()->set_version(graph.opset);
    onnx::GraphProto& to = *model.mutable_graph();
    to.set_name("sweep");
    const auto name_of = [this](ValueId id) {
        return id == no_value ? std::string() : graph.values[std::size_t(id)].name;
    };
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        const Node& node = graph.nodes[i];
        onnx::NodeProto& proto = *to.add_node();
        proto.set_name(node.name);
        proto.set_op_type(onnx_names_[i]);
        for (const ValueId id : node.inputs) {
            proto.add_input(name_of(id));
        }
        proto.add_output(name_of(node.outputs[0]));
        for (const auto& [name, attribute] : node.attributes) {
            onnx::AttributeProto& written = *proto.add_attribute();
            written.set_name(name);
            write(attribute, written);
        }
    }
    std::set<ValueId> quantised;
    for (const Node& node : graph.nodes) {
        if (node.op == Op::dequantize_linear) {
            quantised.insert(node.inputs[0]);
        }
    }
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
        const Value& value = graph.values[i];
        if (value.constant != nullptr) {
            onnx::TensorProto& tensor = *to.add_initializer();
            tensor.set_name(value.name);
            write(*value.constant, quantised.contains(ValueId(i)), tensor);
        }
    }
    for (const ValueId id : graph.inputs) {
        write(graph, id, *to.add_input());
    }
    for (const ValueId id : graph.outputs) {
        write(graph, id, *to.add_output());
    }
    return model.SerializeAsString();
}

}  // namespace sluice::sweep
