#pragma once

#include <string_view>
#include <unordered_set>

namespace onnx {
class GraphProto;
}

namespace sluice {

/// The names of the values that a graph's outputs depend on, themselves included, as views into the
/// graph's outputs and its nodes' inputs. All others may go unseen.
std::unordered_set<std::string_view> read_names(const onnx::GraphProto& graph);

}  // namespace sluice
