#include "passes/passes.h"
#include "passes/quantised.h"

namespace sluice {

Status drop_roundings(Graph& graph) {
    for (Node& node : graph.nodes) {
        if (node.op == Op::fake_quantize) {
            graph.drops_roundings = true;
            node.op = Op::affine;
            node.affine = Affine{{1}, {0}, range_of(*node.quantization)};
            node.quantization.reset();
        }
    }
    return {};
}

}  // namespace sluice
