#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "passes/edit.h"
#include "passes/passes.h"

namespace sluice {
namespace {

const std::vector<std::int64_t> channels_first = {0, 3, 1, 2}, channels_last = {0, 2, 3, 1};

/// [N, H, W, C] -> [N, C, H, W]; of fewer extents, those that broadcast with it.
Shape as_image(Shape shape) {
    shape.insert(shape.begin(), 4 - shape.size(), 1);
    return {shape[0], shape[3], shape[1], shape[2]};
}

/// [C, K] -> [K, C, 1, 1], a square after the other, so that cache lines are read and written
/// whole.
Constant as_window(const Constant& weights) {
    constexpr std::int64_t side = 16;
    const std::int64_t inputs = weights.shape[0], outputs = weights.shape[1];
    const float* const from = weights.floats().data();
    AlignedMemory turned = memory_of(weights.floats().size() * sizeof(float));
    auto* const to = reinterpret_cast<float*>(turned.data());
    for (std::int64_t first = 0; first < inputs; first += side) {
        for (std::int64_t o = 0; o < outputs; ++o) {
            for (std::int64_t i = first; i < std::min(first + side, inputs); ++i) {
                to[o * inputs + i] = from[i * outputs + o];
            }
        }
    }
    return {{outputs, inputs, 1, 1}, Floats(std::move(turned))};
}

/// Whether a node multiplies the last extent of four by constant weights.
bool is_pointwise(const Graph& graph, const Node& node) {
    if (node.op != Op::mat_mul || shape_of(graph, node.inputs[0]).size() != 4) {
        return false;
    }
    const Constant* weights = graph.constant(node.inputs[1]);
    return weights != nullptr && weights->is_float() && weights->shape.size() == 2;
}

/// Writes the nodes of a graph once more, values whose channels are last as images.
class Turning {
public:
    explicit Turning(Graph& graph) : graph_(graph) {}

    void run() {
        std::vector<Node> nodes = std::move(graph_.nodes);
        for (const Node& node : nodes) {
            for (const ValueId id : node.inputs) {
                ++readings_[id];
            }
        }
        graph_.nodes.clear();
        for (Node& node : nodes) {
            if (is_pointwise(graph_, node)) {
                convolve(std::move(node));
            } else if (is_transpose(node, channels_last)) {
                lower(node.inputs[0]);
                images_[node.outputs[0]] = renamed(node.inputs[0]);
                are_missing_.insert(node.outputs[0]);
            } else if (is_transpose(node, channels_first) && images_.contains(node.inputs[0])) {
                names_[node.outputs[0]] = images_.at(node.inputs[0]);
            } else if (takes_images(node)) {
                turn(std::move(node));
            } else {
                keep(std::move(node));
            }
        }
        for (const ValueId id : graph_.outputs) {
            lower(id);
            if (names_.contains(id)) {
                add(Op::identity, renamed(id), id);
            }
        }
    }

private:
    bool is_transpose(const Node& node, const std::vector<std::int64_t>& order) const {
        return node.op == Op::transpose && graph_.ints_attribute(node, "perm", {}) == order;
    }

    bool is_operand(ValueId id, const Shape& output) const {
        if (images_.contains(id)) {
            return shape_of(graph_, id) == output;
        }
        const Constant* constant = graph_.constant(id);
        return constant != nullptr && constant->is_float() && constant->shape.size() <= 4 &&
               std::all_of(constant->shape.begin(),
                           constant->shape.end() -
                               std::min<std::ptrdiff_t>(1, std::ptrdiff_t(constant->shape.size())),
                           [](std::int64_t extent) { return extent == 1; });
    }

    /// Whether each of a node's outputs is made of the inputs at the same place, which are images.
    bool takes_images(const Node& node) const {
        if (is_binary(node.op)) {
            const Shape& output = shape_of(graph_, node.outputs[0]);
            return (images_.contains(node.inputs[0]) || images_.contains(node.inputs[1])) &&
                   is_operand(node.inputs[0], output) && is_operand(node.inputs[1], output);
        }
        const bool is_scalar = node.op == Op::affine && node.affine->scale.size() == 1 &&
                               node.affine->shift.size() == 1;
        return (is_scalar || node.op == Op::activation) && images_.contains(node.inputs[0]);
    }

    void convolve(Node node) {
        const ValueId x = image_of(node.inputs[0]);
        const ValueId weights = node.inputs[1];
        node.op = Op::conv;
        node.attributes.clear();
        node.inputs = {x, add_constant(weights, as_window(*graph_.constant(weights)))};
        if (--readings_[weights] == 0) {  // a network's weights would else be there twice
            graph_.values[std::size_t(weights)].constant.reset();
        }
        write_image(std::move(node));
    }

    void turn(Node node) {
        for (ValueId& id : node.inputs) {
            id = image_of(id);
        }
        write_image(std::move(node));
    }

    /// The node as it is, of values as they are.
    void keep(Node node) {
        for (ValueId& id : node.inputs) {
            lower(id);
            id = renamed(id);
        }
        graph_.nodes.push_back(std::move(node));
    }

    void write_image(Node node) {
        const ValueId id = node.outputs[0];
        node.outputs[0] = images_[id] = add_image(id);
        are_missing_.insert(id);
        graph_.nodes.push_back(std::move(node));
    }

    ValueId image_of(ValueId id) {
        if (const auto found = images_.find(id); found != images_.end()) {
            return found->second;
        }
        if (const Constant* constant = graph_.constant(id)) {
            return add_constant(id, {as_image(constant->shape), constant->data});
        }
        const ValueId image = images_[id] = add_image(id);
        add(Op::transpose, renamed(id), image, {{"perm", channels_first}});
        return image;
    }

    /// Makes the value itself where its image alone is there.
    void lower(ValueId id) {
        if (are_missing_.erase(id) > 0) {
            add(Op::transpose, images_.at(id), id, {{"perm", channels_last}});
        }
    }

    /// The image that stands for what a Transpose gave.
    ValueId renamed(ValueId id) const {
        const auto found = names_.find(id);
        return found == names_.end() ? id : found->second;
    }

    ValueId add_image(ValueId id) {
        Value image = graph_.values[std::size_t(id)];
        image.name += ".image";
        image.shape = as_image(image.shape);
        return graph_.add_value(std::move(image));
    }

    ValueId add_constant(ValueId id, Constant constant) {
        Value value = graph_.values[std::size_t(id)];
        value.name += ".image";
        value.shape = constant.shape;
        value.constant = std::make_shared<const Constant>(std::move(constant));
        return graph_.add_value(std::move(value));
    }

    void add(Op op, ValueId from, ValueId to, AttributeMap attributes = {}) {
        Node node{};
        node.op = op;
        node.name = graph_.values[std::size_t(to)].name + ".transpose";
        node.inputs = {from};
        node.outputs = {to};
        node.attributes = std::move(attributes);
        graph_.nodes.push_back(std::move(node));
    }

    Graph& graph_;
    std::map<ValueId, int> readings_;    ///< by nodes that are not written yet, of weights
    std::map<ValueId, ValueId> images_;  ///< of values whose channels are last
    std::set<ValueId> are_missing_;      ///< values of which the image alone is there
    std::map<ValueId, ValueId> names_;   ///< what Transposes gave, and the image that it is
};

}  // namespace

Status make_pointwise_conv(Graph& graph) {
    for (const Node& node : graph.nodes) {
        if (is_pointwise(graph, node)) {
            Turning(graph).run();
            remove_dead_nodes(graph);
            break;
        }
    }
    return {};
}

}  // namespace sluice
