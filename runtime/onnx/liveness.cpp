#include "onnx/liveness.h"

#include <unordered_map>
#include <vector>

#include "onnx.pb.h"

namespace sluice {

std::unordered_set<std::string_view> read_names(const onnx::GraphProto& graph) {
    std::unordered_map<std::string_view, const onnx::NodeProto*> writers;
    for (const onnx::NodeProto& node : graph.node()) {
        for (const std::string& name : node.output()) {
            writers[name] = &node;
        }
    }
    std::unordered_set<std::string_view> read;
    std::vector<std::string_view> waiting;
    const auto add = [&](std::string_view name) {
        if (!name.empty() && read.insert(name).second) {
            waiting.push_back(name);
        }
    };
    for (const onnx::ValueInfoProto& output : graph.output()) {
        add(output.name());
    }
    std::unordered_set<const onnx::NodeProto*> seen;
    while (!waiting.empty()) {
        const auto writer = writers.find(waiting.back());
        waiting.pop_back();
        if (writer != writers.end() && seen.insert(writer->second).second) {
            for (const std::string& name : writer->second->input()) {
                add(name);
            }
        }
    }
    return read;
}

}  // namespace sluice
