#include "onnx/sort.h"

#include <functional>
#include <queue>
#include <utility>

namespace sluice {

Status sort_nodes(Graph& graph) {
    const std::size_t count = graph.nodes.size();
    std::vector<int> writer(graph.values.size(), -1);
    for (std::size_t node = 0; node < count; ++node) {
        for (ValueId id : graph.nodes[node].outputs) {
            writer[std::size_t(id)] = int(node);
        }
    }
    std::vector<std::vector<std::size_t>> readers(count);
    std::vector<int> missing(count, 0);
    for (std::size_t node = 0; node < count; ++node) {
        for (ValueId id : graph.nodes[node].inputs) {
            if (id != no_value && writer[std::size_t(id)] >= 0) {
                readers[std::size_t(writer[std::size_t(id)])].push_back(node);
                ++missing[node];
            }
        }
    }
    // The smallest index first keeps a sorted file as it is.
    std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
    for (std::size_t node = 0; node < count; ++node) {
        if (missing[node] == 0) {
            ready.push(node);
        }
    }
    std::vector<Node> sorted;
    while (!ready.empty()) {
        const std::size_t node = ready.top();
        ready.pop();
        sorted.push_back(std::move(graph.nodes[node]));
        for (std::size_t reader : readers[node]) {
            if (--missing[reader] == 0) {
                ready.push(reader);
            }
        }
    }
    for (std::size_t node = 0; node < count; ++node) {
        if (missing[node] > 0) {
            return error_at(graph, graph.nodes[node], "waits for its own output: a cycle",
                            "export the model again");
        }
    }
    graph.nodes = std::move(sorted);
    return {};
}

}  // namespace sluice
