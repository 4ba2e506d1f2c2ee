#pragma once

#include <optional>
#include <string>

#include "graph/graph.h"

namespace sluice {

/// The operator of an ONNX name; Dropout reads as Identity. None where Sluice does not know it.
std::optional<Op> find_operator(const std::string& onnx_name);

/// "Add, AveragePool, ...": what find_operator knows.
std::string supported_operators();

}  // namespace sluice
