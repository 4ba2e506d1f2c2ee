#include "passes/load_graph.h"

#include "onnx/reader.h"
#include "passes/constant_budget.h"
#include "passes/fold_constants.h"
#include "passes/passes.h"

namespace sluice {

Result<Graph> load_graph(const std::filesystem::path& file, const std::optional<ImageSize>& size,
                         bool int8) {
    auto graph = read_onnx(file, size);
    if (graph.ok()) {
        SLUICE_RETURN_IF_ERROR(fold_constants(graph.value()).in_file(file.string()));
        SLUICE_RETURN_IF_ERROR(check_readings(graph.value()));
        SLUICE_RETURN_IF_ERROR(optimise(graph.value(), int8).in_file(file.string()));
    }
    return graph;
}

}  // namespace sluice
