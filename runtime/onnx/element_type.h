#pragma once

#include <string>

namespace sluice {

/// ONNX's element type in lower case ("int8"); "element type 99" for one that ONNX does not define.
std::string element_type_name(int type);

}  // namespace sluice
