#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "passes/edit.h"
#include "passes/int8_weights.h"
#include "passes/links.h"
#include "passes/passes.h"
#include "passes/quantised.h"

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

/// Whether a quantised convolution has a place for the scale that its own would become.
bool may_scale(const FusedConv& conv, const std::vector<float>& scale) {
    if (!conv.is_quantised() || all_equal(scale, 1)) {
        return true;
    }
    const bool may_pass_act =
        conv.act.is_none() || (conv.act.is_relu() && std::all_of(scale.begin(), scale.end(),
                                                                 [](float s) { return s >= 0; }));
    return !conv.after_act && !conv.after_gate && may_pass_act;
}

/// Whether the scale and shift of y = affine(conv(...)) could become those of the convolution.
bool chain(FusedConv& conv, const Affine& affine) {
    std::vector<float> scale = conv.scale, shift = conv.shift;
    if (!chain(scale, shift, affine) || !may_scale(conv, scale)) {
        return false;
    }
    conv.scale = std::move(scale);
    conv.shift = std::move(shift);
    return true;
}

/// Whether `affine` could be the bias of a quantised convolution that has none, and its activation.
bool become_bias(FusedConv& conv, const std::optional<Quantization>& input, const Affine& affine) {
    std::vector<float> bias(conv.bias.size());
    for (std::size_t k = 0; k < bias.size(); ++k) {
        bias[k] = at(affine.shift, k);
    }
    if (!conv.is_quantised() || !conv.act.is_none() || !all_equal(affine.scale, 1) ||
        !all_equal(conv.bias, 0) || !input || !fits_int32(bias, input->scale, conv.weight_scale)) {
        return false;
    }
    conv.bias = std::move(bias);
    conv.act = affine.clamp;
    return true;
}

/// Whether y = affine(conv(...)) could be written as one FusedConv; `conv` is then that one. Its
/// input may be rounded.
bool absorb(FusedConv& conv, std::optional<Scaling>& scaling, bool has_residual,
            const std::optional<Quantization>& input, const Affine& affine) {
    const bool only_clamps = is_identity(affine.scale, affine.shift);
    const bool nothing_between = conv.gate == GateForm::none && !has_residual &&
                                 is_identity(conv.scale, conv.shift) && !conv.after_gate;
    if (conv.output_rounding) {
        if (only_clamps && may_precede(affine.clamp, *conv.output_rounding)) {
            Clamp& last = nothing_between && conv.post.is_none() ? conv.act : conv.post;
            last = compose(last, affine.clamp);
            return true;
        }
        FusedConv inside = conv;
        if (!move_rounding_inside(inside, has_residual) ||
            !absorb(inside, scaling, has_residual, input, affine)) {
            return false;
        }
        conv = std::move(inside);
        return true;
    }
    if (!conv.post.is_none()) {
        if (only_clamps) {
            conv.post = compose(conv.post, affine.clamp);
        }
        return only_clamps;
    }
    if (nothing_between && become_bias(conv, input, affine)) {
        return true;
    }
    if (nothing_between && (only_clamps || (conv.act.is_none() && !conv.is_quantised()))) {
        if (!only_clamps && !extend(scaling, conv, affine)) {
            return false;
        }
        conv.act = compose(conv.act, affine.clamp);
        return true;
    }
    if (has_residual && !all_equal(affine.scale, 1)) {
        return false;  // the scale would have to reach the residual
    }
    if (!chain(conv, affine)) {
        return false;
    }
    conv.post = affine.clamp;
    return true;
}

/// Whether y = rounded(conv(...)) could be written as one FusedConv; `conv` is then that one.
bool absorb(FusedConv& conv, bool has_residual, const Quantization& rounding) {
    if (!conv.is_quantised() ||
        (conv.output_rounding && !move_rounding_inside(conv, has_residual))) {
        return false;
    }
    conv.output_rounding = rounding;
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

/// Whether `node`, an affine or a rounding, could become part of the node before it.
bool absorb(const Grids& grids, Node& before, std::optional<Scaling>& scaling, const Node& node) {
    const bool is_rounding = node.op == Op::fake_quantize;
    if (before.op == Op::fused_conv) {
        const bool has_residual = before.inputs[2] != no_value;
        return is_rounding ? absorb(*before.fused_conv, has_residual, *node.quantization)
                           : absorb(*before.fused_conv, scaling, has_residual,
                                    grids[std::size_t(before.inputs[0])], *node.affine);
    }
    if (before.op == Op::gemm && before.fused_conv) {
        FusedConv& layer = *before.fused_conv;
        const bool fits = is_rounding && !layer.output_rounding;
        if (fits) {
            layer.output_rounding = node.quantization;
        }
        return fits;
    }
    return !is_rounding && before.op == Op::affine && absorb(*before.affine, *node.affine);
}

}  // namespace

bool move_rounding_inside(FusedConv& conv, bool has_residual) {
    const bool is_last = !has_residual && is_identity(conv.scale, conv.shift) &&
                         conv.post.is_none() && !conv.after_gate;
    if (conv.output_rounding && is_last) {
        conv.after_gate = std::exchange(conv.output_rounding, std::nullopt);
    }
    return is_last;
}

Status fold_affine(Graph& graph) {
    Links links(graph);
    const Grids grids = grids_of(graph);
    std::vector<std::optional<Scaling>> scalings(graph.nodes.size());  // of the node at each place
    for (Node& node : graph.nodes) {
        const bool may_fold = node.op == Op::affine || node.op == Op::fake_quantize;
        if (!may_fold || links.consumer_count(node.inputs[0]) != 1) {
            continue;
        }
        Node* before = links.producer(node.inputs[0]);
        if (before != nullptr &&
            absorb(grids, *before, scalings[std::size_t(before - graph.nodes.data())], node)) {
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
