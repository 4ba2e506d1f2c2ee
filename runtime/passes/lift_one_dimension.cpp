#include <map>
#include <set>
#include <utility>

#include "passes/edit.h"
#include "passes/passes.h"

namespace sluice {
namespace {

bool is_window(Op op) {
    return op == Op::conv || op == Op::conv_transpose || op == Op::max_pool ||
           op == Op::average_pool || op == Op::global_average_pool;
}

/// [N, C, L] -> [N, C, 1, L]; of fewer extents, those that broadcast with it.
Shape as_image(Shape shape) {
    if (shape.size() >= 2) {
        shape.insert(shape.end() - 1, 1);
    }
    return shape;
}

/// Gives an attribute of a window along L the number that it has along H.
void widen(AttributeMap& attributes, const char* name, std::int64_t along_h) {
    const auto found = attributes.find(name);
    auto* numbers = found == attributes.end()
                        ? nullptr
                        : std::get_if<std::vector<std::int64_t>>(&found->second);
    if (numbers == nullptr) {
        return;
    }
    for (std::size_t i = 0; i < numbers->size(); i += 2) {
        numbers->insert(numbers->begin() + std::ptrdiff_t(i), along_h);
    }
}

/// Writes the nodes of a graph once more, values of one dimension as images of height 1.
class Lifting {
public:
    explicit Lifting(Graph& graph) : graph_(graph) {}

    void run() {
        std::vector<Node> nodes = std::move(graph_.nodes);
        graph_.nodes.clear();
        for (Node& node : nodes) {
            if (takes_images(node)) {
                lift(node);
            } else {
                for (const ValueId id : node.inputs) {
                    lower(id);
                }
            }
            graph_.nodes.push_back(std::move(node));
        }
        for (const ValueId id : graph_.outputs) {
            lower(id);
        }
    }

private:
    bool is_constant(ValueId id) const { return graph_.constant(id) != nullptr; }
    bool has_image(ValueId id) const { return images_.contains(id); }
    bool is_line(ValueId id) const { return id != no_value && shape_of(graph_, id).size() == 3; }

    /// Whether a node of one dimension becomes one of two: windows, and what can follow them.
    bool takes_images(const Node& node) const {
        if (node.inputs.empty() || node.outputs.size() != 1 || !is_line(node.outputs[0])) {
            return false;
        }
        switch (node.op) {
            case Op::conv:
            case Op::conv_transpose:
                return is_line(node.inputs[0]) && is_constant(node.inputs[1]);
            case Op::max_pool:
            case Op::average_pool:
            case Op::global_average_pool:
                return is_line(node.inputs[0]);
            case Op::batch_normalization:
            case Op::clip:
            case Op::hard_sigmoid:
            case Op::relu:
                return has_image(node.inputs[0]);
            case Op::add:
            case Op::sub:
            case Op::mul:
            case Op::div:
                return has_image(node.inputs[0])
                           ? is_operand(node.inputs[1])
                           : has_image(node.inputs[1]) && is_operand(node.inputs[0]);
            default:
                return false;
        }
    }

    bool is_operand(ValueId id) const {
        return has_image(id) || (is_constant(id) && shape_of(graph_, id).size() <= 3);
    }

    void lift(Node& node) {
        const bool is_arithmetic =
            node.op == Op::add || node.op == Op::sub || node.op == Op::mul || node.op == Op::div;
        const bool has_weights = node.op == Op::conv || node.op == Op::conv_transpose;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            if (i == 0 || is_arithmetic || (has_weights && i == 1)) {
                node.inputs[i] = image_of(node.inputs[i]);
            }
        }
        if (is_window(node.op)) {
            for (const char* const name :
                 {"kernel_shape", "strides", "dilations", "output_shape"}) {
                widen(node.attributes, name, 1);
            }
            widen(node.attributes, "output_padding", 0);
            widen(node.attributes, "pads", 0);
        }
        const ValueId line = node.outputs[0];
        node.outputs[0] = images_[line] = add_image(line);
        are_missing_.insert(line);
    }

    /// The value as an image.
    ValueId image_of(ValueId id) {
        if (const auto found = images_.find(id); found != images_.end()) {
            return found->second;
        }
        if (const Constant* constant = graph_.constant(id)) {
            const ValueId image = add_image(id);
            graph_.values[std::size_t(image)].constant = std::make_shared<const Constant>(
                Constant{as_image(constant->shape), constant->data});
            return images_[id] = image;
        }
        const ValueId image = add_image(id);
        add_reshape(id, image);
        return images_[id] = image;
    }

    /// Makes the value itself where its image alone is there.
    void lower(ValueId id) {
        if (are_missing_.erase(id) > 0) {
            add_reshape(images_.at(id), id);
        }
    }

    ValueId add_image(ValueId id) {
        Value image = graph_.values[std::size_t(id)];
        image.name += ".image";
        image.shape = as_image(image.shape);
        image.constant.reset();
        return graph_.add_value(std::move(image));
    }

    void add_reshape(ValueId from, ValueId to) {
        Value target;
        target.name = graph_.values[std::size_t(to)].name + ".shape";
        const Shape shape = shape_of(graph_, to);
        target.shape = {std::int64_t(shape.size())};
        target.shape_known = true;
        target.type = ElementType::int64;
        target.constant = std::make_shared<const Constant>(Constant{target.shape, shape});
        Node node{};
        node.op = Op::reshape;
        node.name = graph_.values[std::size_t(to)].name + ".reshape";
        node.inputs = {from, graph_.add_value(std::move(target))};
        node.outputs = {to};
        graph_.nodes.push_back(std::move(node));
    }

    Graph& graph_;
    std::map<ValueId, ValueId> images_;  ///< of values of one dimension
    std::set<ValueId> are_missing_;      ///< values of which the image alone is there
};

}  // namespace

Status lift_one_dimension(Graph& graph) {
    for (const Node& node : graph.nodes) {
        if (is_window(node.op) && shape_of(graph, node.inputs[0]).size() == 3) {
            Lifting(graph).run();
            break;
        }
    }
    return {};
}

}  // namespace sluice
