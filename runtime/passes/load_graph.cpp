#include "passes/load_graph.h"

#include "onnx/reader.h"
#include "passes/constant_budget.h"
#include "passes/fold_constants.h"
#include "passes/passes.h"

namespace sluice {

namespace {

Status check_floats(const Graph& graph) {
    for (const Node& node : graph.nodes) {
        if (node.quantization || (node.fused_conv && node.fused_conv->is_quantised())) {
            return error_at(graph, node, "is quantised, which no kernel computes",
                            "export the model as it was before quantisation");
        }
    }
    return {};
}

}  // namespace

Result<Graph> load_graph(const std::filesystem::path& file) {
    auto graph = read_onnx(file);
    if (graph.ok()) {
        SLUICE_RETURN_IF_ERROR(fold_constants(graph.value()).in_file(file.string()));
        SLUICE_RETURN_IF_ERROR(check_readings(graph.value()));
        SLUICE_RETURN_IF_ERROR(optimise(graph.value()).in_file(file.string()));
        SLUICE_RETURN_IF_ERROR(check_floats(graph.value()));
    }
    return graph;
}

}  // namespace sluice
