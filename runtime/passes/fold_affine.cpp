#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "passes/edit.h"
#include "passes/links.h"
#include "passes/passes.h"

namespace sluice {
namespace {

float at(const std::vector<float>& values, std::size_t c) {
    return values[values.size() == 1 ? 0 : c];
}

bool is_identity(const std::vector<float>& scale, const std::vector<float>& shift) {
    return all_equal(scale, 1) && all_equal(shift, 0);
}

/// scale and shift (in place) followed by those of `affine`. Not where that gives numbers that are
/// not finite: a product of 0 and infinity is NaN, and may be none in the original order.
bool chain(std::vector<float>& scale, std::vector<float>& shift, const Affine& affine) {
    const std::size_t count = std::max(scale.size(), affine.scale.size());
    std::vector<float> new_scale(count), new_shift(count);
    for (std::size_t c = 0; c < count; ++c) {
        const double by = at(affine.scale, c);
        new_scale[c] = float(by * at(scale, c));
        new_shift[c] = float(by * at(shift, c) + at(affine.shift, c));
    }
    if (!all_finite(new_scale) || !all_finite(new_shift)) {
        return false;
    }
    scale = std::move(new_scale);
    shift = std::move(new_shift);
    return true;
}

/// What the weights of a convolution will be scaled by, once for all affines that follow it.
struct Scaling {
    std::vector<float> scale{1}, shift{0};
    std::vector<float> largest;  ///< magnitude among the weights of each output
};

/// Infinity for an output where any weight is not finite.
std::vector<float> largest_weights(const FusedConv& conv) {
    const Floats& data = conv.weights->floats();
    const std::size_t per_map = data.size() / conv.bias.size();
    std::vector<float> largest(conv.bias.size());
    for (std::size_t k = 0; k < largest.size(); ++k) {
        largest[k] = largest_magnitude({data.data() + k * per_map, per_map});
    }
    return largest;
}

/// Whether weights and bias stay finite, as above, with `affine` after what scales them already.
bool extend(std::optional<Scaling>& scaling, const FusedConv& conv, const Affine& affine) {
    Scaling next = scaling ? *scaling : Scaling{{1}, {0}, largest_weights(conv)};
    if (!chain(next.scale, next.shift, affine)) {
        return false;
    }
    for (std::size_t k = 0; k < conv.bias.size(); ++k) {
        const double scale = at(next.scale, k), shift = at(next.shift, k);
        if (!std::isfinite(float(scale * next.largest[k])) ||
            !std::isfinite(float(scale * conv.bias[k] + shift))) {
            return false;
        }
    }
    scaling = std::move(next);
    return true;
}

void scale_weights(FusedConv& conv, const Scaling& scaling) {
    const Floats& data = conv.weights->floats();
    const std::size_t per_map = data.size() / conv.bias.size();
    AlignedMemory memory = memory_of(data.size() * sizeof(float));
    float* const scaled = reinterpret_cast<float*>(memory.data());
    for (std::size_t k = 0; k < conv.bias.size(); ++k) {
        const double scale = at(scaling.scale, k);
        for (std::size_t i = k * per_map; i < (k + 1) * per_map; ++i) {
            scaled[i] = float(double(data[i]) * scale);
        }
        conv.bias[k] = float(double(conv.bias[k]) * scale + at(scaling.shift, k));
    }
    conv.weights =
        std::make_shared<const Constant>(Constant{conv.weights->shape, Floats(std::move(memory))});
}

/// Whether y = affine(conv(...)) could be written as one FusedConv; `conv` is then that one.
bool absorb(FusedConv& conv, std::optional<Scaling>& scaling, bool has_residual,
            const Affine& affine) {
    const bool only_clamps = is_identity(affine.scale, affine.shift);
    const bool nothing_between =
        conv.gate == GateForm::none && !has_residual && is_identity(conv.scale, conv.shift);
    if (!conv.post.is_none()) {
        if (only_clamps) {
            conv.post = compose(conv.post, affine.clamp);
        }
        return only_clamps;
    }
    if (nothing_between && (only_clamps || conv.act.is_none())) {
        if (!only_clamps && !extend(scaling, conv, affine)) {
            return false;
        }
        conv.act = compose(conv.act, affine.clamp);
        return true;
    }
    if (has_residual && !all_equal(affine.scale, 1)) {
        return false;  // the scale would have to reach the residual
    }
    if (!chain(conv.scale, conv.shift, affine)) {
        return false;
    }
    conv.post = affine.clamp;
    return true;
}

bool absorb(Affine& first, const Affine& second) {
    const bool only_clamps = is_identity(second.scale, second.shift);
    if (!first.clamp.is_none() && !only_clamps) {
        return false;
    }
    if (!only_clamps && !chain(first.scale, first.shift, second)) {
        return false;
    }
    first.clamp = compose(first.clamp, second.clamp);
    return true;
}

bool absorb(Node& before, std::optional<Scaling>& scaling, const Affine& affine) {
    if (before.op == Op::fused_conv) {
        return absorb(*before.fused_conv, scaling, before.inputs[2] != no_value, affine);
    }
    return before.op == Op::affine && absorb(*before.affine, affine);
}

}  // namespace

Status fold_affine(Graph& graph) {
    Links links(graph);
    std::vector<std::optional<Scaling>> scalings(graph.nodes.size());  // of the node at each place
    for (Node& node : graph.nodes) {
        if (node.op != Op::affine || links.consumer_count(node.inputs[0]) != 1) {
            continue;
        }
        Node* before = links.producer(node.inputs[0]);
        if (before != nullptr &&
            absorb(*before, scalings[std::size_t(before - graph.nodes.data())], *node.affine)) {
            links.absorb(*before, node);
        }
    }
    for (std::size_t place = 0; place < scalings.size(); ++place) {
        if (scalings[place]) {
            scale_weights(*graph.nodes[place].fused_conv, *scalings[place]);
        }
    }
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
