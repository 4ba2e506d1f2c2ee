#include "onnx/attributes.h"

#include "onnx.pb.h"
#include "onnx/tensor.h"

namespace sluice {

namespace {

using onnx::AttributeProto;

Result<Attribute> read_attribute(const AttributeProto& attribute,
                                 const std::filesystem::path& model_file) {
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
            Result<Constant> constant = decode_tensor(attribute.t(), model_file);
            if (!constant.ok()) {
                return constant.status();
            }
            return Attribute(std::make_shared<const Constant>(std::move(constant).value()));
        }
        default:
            return Status::error("is of a kind that Sluice does not read",
                                 "export with plain operators");
    }
}

}  // namespace

Result<AttributeMap> read_attributes(const onnx::NodeProto& node,
                                     const std::filesystem::path& model_file) {
    AttributeMap attributes;
    for (const AttributeProto& attribute : node.attribute()) {
        Result<Attribute> value = read_attribute(attribute, model_file);
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
