#include "passes/passes.h"

namespace sluice {

Status drop_roundings(Graph& graph) {
    constexpr int largest = 255;  // of the numbers of a quantised value
    for (Node& node : graph.nodes) {
        if (node.op == Op::fake_quantize) {
            const Quantization& numbers = *node.quantization;
            const Clamp range{float(0 - numbers.zero_point) * numbers.scale,
                              float(largest - numbers.zero_point) * numbers.scale};
            graph.drops_roundings = true;
            node.op = Op::affine;
            node.affine = Affine{{1}, {0}, range};
            node.quantization.reset();
        }
    }
    return {};
}

}  // namespace sluice
