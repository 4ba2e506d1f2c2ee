#include "passes/edit.h"
#include "passes/links.h"
#include "passes/passes.h"

namespace sluice {
namespace {

/// {top, left, bottom, right} of a Pad that surrounds images by zeros and does nothing else.
std::optional<Shape> zero_border(const Graph& graph, const Node& node) {
    const auto has = [&node](std::size_t i) {
        return node.inputs.size() > i && node.inputs[i] != no_value;
    };
    const Constant* pads = has(1) ? graph.constant(node.inputs[1]) : nullptr;
    const Constant* value = has(2) ? graph.constant(node.inputs[2]) : nullptr;
    if (pads == nullptr || !pads->is_int64() || pads->ints().size() != 8 || has(3) ||
        graph.string_attribute(node, "mode", "constant") != "constant" ||
        (has(2) && (value == nullptr || !value->is_float() || value->floats()[0] != 0))) {
        return std::nullopt;
    }
    const Shape& p = pads->ints();
    const bool crops = std::any_of(p.begin(), p.end(), [](std::int64_t e) { return e < 0; });
    if (crops || p[0] != 0 || p[1] != 0 || p[4] != 0 || p[5] != 0) {
        return std::nullopt;
    }
    return Shape{p[2], p[3], p[6], p[7]};
}

/// Adds the border to the node's own pads, where that means the same.
bool absorb(const Graph& graph, Node& node, const Shape& border) {
    if (node.op == Op::fused_conv) {
        for (std::size_t side = 0; side < 4; ++side) {
            // A transposed convolution's pads count the zeros between its inputs.
            node.fused_conv->pads[side] += border[side] * node.fused_conv->input_dilation[side % 2];
        }
        return true;
    }
    // The zeros count in the average; in a maximum, padding is not zero but absent.
    if (node.op != Op::average_pool || graph.int_attribute(node, "ceil_mode", 0) != 0 ||
        graph.string_attribute(node, "auto_pad", "NOTSET") != "NOTSET") {
        return false;
    }
    Shape pads = graph.ints_attribute(node, "pads", {0, 0, 0, 0});
    if (graph.int_attribute(node, "count_include_pad", 0) == 0 && pads != Shape{0, 0, 0, 0}) {
        return false;
    }
    const Shape kernel = graph.ints_attribute(node, "kernel_shape", {1, 1});
    for (std::size_t side = 0; side < 4; ++side) {
        pads[side] += border[side];
        if (pads[side] >= kernel[side % 2]) {
            return false;  // ONNX has no pool with a window that is all padding
        }
    }
    node.attributes["pads"] = pads;
    node.attributes["count_include_pad"] = std::int64_t{1};
    return true;
}

}  // namespace

Status fold_padding(Graph& graph) {
    Links links(graph);
    for (Node& node : graph.nodes) {
        const Node* before = node.inputs.empty() ? nullptr : links.producer(node.inputs[0]);
        if (before == nullptr || before->op != Op::pad) {
            continue;
        }
        const auto border = zero_border(graph, *before);
        if (border && absorb(graph, node, *border)) {
            links.set_input(node, 0, before->inputs[0]);
        }
    }
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
