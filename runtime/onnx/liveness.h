#pragma once

#include <string_view>
#include <unordered_set>
#include <vector>

namespace sluice::onnx {
class GraphProto;
}

namespace sluice {

/// What a graph's outputs depend on. All else may go unseen.
struct Liveness {
    /// Names of values, as views into the graph's outputs and its nodes' inputs.
    std::unordered_set<std::string_view> names;
    std::vector<bool> nodes;  ///< of each, whether it writes one of them

    explicit Liveness(const onnx::GraphProto& graph);
};

}  // namespace sluice
