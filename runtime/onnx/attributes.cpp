#include "onnx/attributes.h"

#include "onnx.pb.h"

namespace sluice {

namespace {

using onnx::AttributeProto;

const char* kind_name(AttributeProto::AttributeType type) {
    switch (type) {
        case AttributeProto::GRAPH:
        case AttributeProto::GRAPHS:
            return "a graph";
        case AttributeProto::SPARSE_TENSOR:
        case AttributeProto::SPARSE_TENSORS:
            return "a sparse tensor";
        case AttributeProto::STRINGS:
            return "a list of strings";
        case AttributeProto::TENSORS:
            return "a list of tensors";
        default:
            return "of a kind";
    }
}

Result<Attribute> read_attribute(AttributeProto& attribute, TensorDecoder& decoder) {
    switch (attribute.type()) {
        case AttributeProto::INT:
            return Attribute(std::int64_t(attribute.i()));
        case AttributeProto::FLOAT:
            return Attribute(attribute.f());
        case AttributeProto::STRING:
            return Attribute(attribute.s());
        case AttributeProto::INTS:
            return Attribute(
                std::vector<std::int64_t>(attribute.ints().begin(), attribute.ints().end()));
        case AttributeProto::FLOATS:
            return Attribute(
                std::vector<float>(attribute.floats().begin(), attribute.floats().end()));
        case AttributeProto::TENSOR: {
            Result<Constant> constant = decoder.decode(*attribute.mutable_t());
            if (!constant.ok()) {
                return constant.status();
            }
            return Attribute(std::make_shared<const Constant>(std::move(constant).value()));
        }
        default:
            return Status::error(
                std::string("is ") + kind_name(attribute.type()) + " that Sluice does not read",
                "export with plain operators");
    }
}

}  // namespace

Result<AttributeMap> read_attributes(onnx::NodeProto& node, TensorDecoder& decoder) {
    AttributeMap attributes;
    for (AttributeProto& attribute : *node.mutable_attribute()) {
        Result<Attribute> value = read_attribute(attribute, decoder);
        if (!value.ok()) {
            const Problem& problem = value.status().problem();
            return Status::error("attribute '" + attribute.name() + "' " + problem.what,
                                 problem.remedy);
        }
        attributes[attribute.name()] = std::move(value).value();
    }
    return attributes;
}

}  // namespace sluice
