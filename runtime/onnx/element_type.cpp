#include "onnx/element_type.h"

#include <algorithm>

#include "onnx.pb.h"

namespace sluice {

std::string element_type_name(int type) {
    if (!onnx::TensorProto::DataType_IsValid(type) || type == onnx::TensorProto::UNDEFINED) {
        return "element type " + std::to_string(type);
    }
    std::string name = onnx::TensorProto::DataType_Name(onnx::TensorProto::DataType(type));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : char(c); });
    return name == "float" || name == "double" ? (name == "float" ? "float32" : "float64") : name;
}

}  // namespace sluice
