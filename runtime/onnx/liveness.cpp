#include "onnx/liveness.h"

#include <unordered_map>

#include "onnx.pb.h"

namespace sluice {

Liveness::Liveness(const onnx::GraphProto& graph) : nodes(std::size_t(graph.node_size()), false) {
    // A name that several write makes all of them live, which then is an error.
    std::unordered_multimap<std::string_view, int> writers;
    writers.reserve(nodes.size());
    for (int index = 0; index < graph.node_size(); ++index) {
        for (const std::string& name : graph.node(index).output()) {
            writers.emplace(name, index);
        }
    }
    names.reserve(nodes.size());
    std::vector<std::string_view> waiting;
    const auto add = [&](std::string_view name) {
        if (!name.empty() && names.insert(name).second) {
            waiting.push_back(name);
        }
    };
    for (const onnx::ValueInfoProto& output : graph.output()) {
        add(output.name());
    }
    while (!waiting.empty()) {
        const auto [first, end] = writers.equal_range(waiting.back());
        waiting.pop_back();
        for (auto writer = first; writer != end; ++writer) {
            const auto index = std::size_t(writer->second);
            if (!nodes[index]) {
                nodes[index] = true;
                for (const std::string& name : graph.node(writer->second).input()) {
                    add(name);
                }
            }
        }
    }
}

}  // namespace sluice
