#include "passes/fix_mixed_batch.h"

#include <algorithm>
#include <variant>

#include "graph/shapes.h"
#include "passes/constant_budget.h"
#include "passes/evaluate_constant.h"

namespace sluice {
namespace {

/// Even, so that a batch that is halved shows; small, so that no shape becomes too large by it.
constexpr std::int64_t other_batch = 6;

/// A graph's nodes at two batches: with values folded at 1, and those at another as far as they
/// have been evaluated. A constant that both share does not depend on the batch.
class TwoBatches {
public:
    TwoBatches(const Graph& folded, std::vector<Value> unfolded, const std::vector<bool>& is_known)
        : at_1_(folded), is_known_(is_known), budget_(folded) {
        other_.file = folded.file;
        other_.values = std::move(unfolded);
        other_.batch = other_batch;
        for (const ValueId id : folded.inputs) {
            other_.values[std::size_t(id)].shape[0] = other_batch;
        }
    }

    /// The first node whose result for an image depends on the batch; null where there is none.
    const Node* find_mixing_node() {
        for (const Node& node : at_1_.nodes) {
            const bool keeps =
                infer_shape(other_, node).ok() &&
                (is_known_[std::size_t(node.outputs[0])] ? evaluate(node) : keeps_images(node));
            if (!keeps) {
                return &node;
            }
        }
        return nullptr;
    }

private:
    const Shape& shape_at_1(ValueId id) const { return at_1_.values[std::size_t(id)].shape; }

    bool is_shared(ValueId id) const { return at_1_.constant(id) == other_.constant(id); }

    bool is_whole(const Graph& graph, const Node& node) const {
        const auto a = constant_ints(graph, node, 0), b = constant_ints(graph, node, 1);
        return a && b && a->size() == 1 && b->size() == 1 && b->front() > 0 &&
               a->front() % b->front() == 0;
    }

    /// Whether a node that reads the batch, and gives the same result at both, does so at any
    /// batch. It does where elements are chosen, a quotient is whole, or extents are compared with
    /// a negative number.
    bool stays_same(const Node& node) const {
        switch (node.op) {
            case Op::shape:
            case Op::gather:
            case Op::slice:
            case Op::reshape:
            case Op::squeeze:
            case Op::unsqueeze:
            case Op::identity:
                return true;
            case Op::div:
                return is_whole(at_1_, node) && is_whole(other_, node);
            case Op::equal:
                return is_negative(node, 0) || is_negative(node, 1);
            default:
                return false;
        }
    }

    bool is_negative(const Node& node, std::size_t input) const {
        const auto numbers = constant_ints(at_1_, node, input);
        return is_shared(node.inputs[input]) && numbers &&
               std::all_of(numbers->begin(), numbers->end(),
                           [](std::int64_t number) { return number < 0; });
    }

    bool evaluate(const Node& node) {
        const ValueId id = node.outputs[0];
        Value& value = other_.values[std::size_t(id)];
        const auto& before = at_1_.values[std::size_t(id)].constant;
        if (before == nullptr) {
            return true;  // its shape alone is read
        }
        const bool shares_all = std::all_of(node.inputs.begin(), node.inputs.end(),
                                            [this](ValueId input) { return is_shared(input); });
        if (node.op != Op::shape && shares_all) {
            value.constant = before;
            return true;
        }
        if (!budget_.take(evaluated_elements(other_, node))) {
            return false;
        }
        const auto evaluated = evaluate_constant(other_, node);
        if (!evaluated.ok()) {
            return false;
        }
        const Constant& constant = *evaluated.value();
        const bool is_same = constant.shape == before->shape && constant.data == before->data;
        value.constant = is_same ? before : evaluated.value();
        return !is_same || stays_same(node);
    }

    /// Whether a value has the batch first, and elsewhere the same extents at both batches.
    bool has_batch_first(ValueId id) const {
        Shape shape = other_.values[std::size_t(id)].shape;
        if (shape.empty() || shape[0] != other_batch) {
            return false;
        }
        shape[0] = 1;
        return shape == shape_at_1(id);
    }

    /// Whether an operand holds the same for each image of a batch.
    bool repeats(const Node& node, ValueId id) const {
        if (!is_binary(node.op) || !at_1_.constant(id)->is_float() || !has_batch_first(id) ||
            shape_at_1(id).size() != shape_at_1(node.outputs[0]).size()) {
            return false;
        }
        const auto& image = at_1_.constant(id)->floats();
        const auto& all = other_.constant(id)->floats();
        for (std::size_t at = 0; at < all.size(); at += image.size()) {
            if (!std::equal(image.begin(), image.end(), all.begin() + std::ptrdiff_t(at))) {
                return false;
            }
        }
        return true;
    }

    /// Whether a Slice takes all images, of any batch, and the same of each.
    bool slices_alike(const Node& node) const {
        const auto before = slice_ranges(at_1_, node), ranges = slice_ranges(other_, node);
        const SliceRange& batch = ranges.value()[0];
        // An end that is no constant of the file has followed the batch.
        const bool follows = batch.is_open || !is_shared(node.inputs[2]);
        if (batch.start != 0 || batch.step != 1 || batch.count != other_batch || !follows) {
            return false;
        }
        return std::equal(before->begin() + 1, before->end(), ranges->begin() + 1,
                          [](const SliceRange& a, const SliceRange& b) {
                              return a.start == b.start && a.step == b.step && a.count == b.count;
                          });
    }

    /// Whether a node that keeps all extents normalises over the first one.
    bool normalizes_batch(const Node& node) const {
        switch (node.op) {
            case Op::softmax:
            case Op::log_softmax:
            case Op::layer_normalization: {
                const std::size_t rank = shape_at_1(node.inputs[0]).size();
                return normalize_axis(at_1_.int_attribute(node, "axis", -1), rank) == 0U;
            }
            default:
                return false;
        }
    }

    bool keeps_images(const Node& node) const {
        if (normalizes_batch(node) || !has_batch_first(node.outputs[0]) ||
            (node.op == Op::slice && !slices_alike(node))) {
            return false;
        }
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            const ValueId id = node.inputs[i];
            // What they do is seen in the shape, or in the ranges.
            const bool gives_extents =
                ((node.op == Op::reshape || node.op == Op::expand) && i == 1) ||
                (node.op == Op::resize && i == 3) || node.op == Op::slice;
            if (at_1_.constant(id) != nullptr && !is_shared(id) && !gives_extents &&
                !repeats(node, id)) {
                return false;
            }
        }
        return true;
    }

    const Graph& at_1_;
    const std::vector<bool>& is_known_;
    ConstantBudget budget_;
    Graph other_;  ///< without nodes
};

}  // namespace

void fix_mixed_batch(Graph& graph, std::vector<Value> unfolded, const std::vector<bool>& is_known) {
    TwoBatches batches(graph, std::move(unfolded), is_known);
    if (const Node* node = batches.find_mixing_node()) {
        graph.batch_is_symbolic = false;
        graph.batch_remark = node->label() + " mixes the images of a batch";
    }
}

}  // namespace sluice
