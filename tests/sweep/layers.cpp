#include "sweep/layers.h"

#include <algorithm>
#include <cmath>

namespace sluice::sweep {
namespace {

constexpr std::int64_t grid = 4;  ///< outputs along each side of a tile

std::int64_t channels_of(const Net& net, ValueId x) { return net.shape(x)[1]; }

/// A layer of `outputs` maps without anything around it, for a branch or a shortcut of `layer`: of
/// 1x1 where such a window gives the same map, else of its own window.
Layer bare(const Net& net, ValueId x, const Shape& to, const Layer& layer, std::int64_t outputs,
           bool is_pointwise) {
    Layer bare;
    bare.kernel = layer.kernel;
    bare.stride = layer.stride;
    bare.pads = layer.pads;
    bare.dilation = layer.dilation;
    bare.is_transposed = layer.is_transposed;
    bare.auto_pad = layer.auto_pad;
    bare.outputs = outputs;
    const Shape& from = net.shape(x);
    const auto fits = [&](std::size_t axis) {
        return (from[axis + 2] - 1) / layer.stride[axis] + 1 == to[axis + 2];
    };
    if (is_pointwise && !layer.is_transposed && fits(0) && fits(1)) {
        bare.kernel = {1, 1};
        bare.dilation = {1, 1};
        bare.pads = {0, 0, 0, 0};
        bare.auto_pad.clear();
    }
    return bare;
}

/// The values of one map, largest first.
std::vector<float> sorted_map(const Tensor& maps, std::int64_t map) {
    const std::int64_t channels = maps.shape[1];
    const std::int64_t area = maps.shape[2] * maps.shape[3];
    std::vector<float> values;
    for (std::int64_t n = 0; n < maps.shape[0]; ++n) {
        const auto begin = maps.data.begin() + (n * channels + map) * area;
        values.insert(values.end(), begin, begin + area);
    }
    std::sort(values.rbegin(), values.rend());
    return values;
}

/// The bound above which about `density` of the values lie, and the largest well above it.
float bound_of(const std::vector<float>& values, double density) {
    const float size = std::max(std::abs(values.front()), std::abs(values.back())) + 0.01F;
    const auto count = std::size_t(std::lround(density * double(values.size())));
    if (count == 0) {
        return values.front() + 0.2F * size;
    }
    if (count >= values.size()) {
        return values.back() - 0.2F * size;
    }
    const float between = 0.5F * (values[count - 1] + values[count]);
    return std::min(between, values.front() - 0.2F * size);
}

/// A max-pool of x to `tiles` values along each axis: with ceil_mode over squares of `side`
/// outputs, where those give as many, else over windows of equal strides.
ValueId pool_to_tiles(Net& net, ValueId x, const Shape& tiles, std::int64_t side,
                      const Layer& layer) {
    const Shape from = net.shape(x);
    Shape kernel, stride, missing;
    bool are_squares = true;
    for (std::size_t axis = 0; axis < 2; ++axis) {
        const std::int64_t square = side * layer.stride[axis], extent = from[axis + 2];
        are_squares = are_squares && (extent + square - 1) / square == tiles[axis];
        stride.push_back(std::max<std::int64_t>(extent / tiles[axis], 1));
        kernel.push_back(std::max<std::int64_t>(extent - (tiles[axis] - 1) * stride[axis], 1));
        missing.push_back(std::max<std::int64_t>(tiles[axis] - extent, 0));
    }
    if (are_squares) {
        const Shape squares = {side * layer.stride[0], side * layer.stride[1]};
        return net.node(
            Op::max_pool, {x},
            {{"kernel_shape", squares}, {"strides", squares}, {"ceil_mode", std::int64_t{1}}});
    }
    if (missing[0] > 0 || missing[1] > 0) {  // where pads have made the map that much larger
        x = net.node(Op::pad, {x, net.ints({0, 0, 0, 0, 0, 0, missing[0], missing[1]})});
    }
    return net.node(Op::max_pool, {x}, {{"kernel_shape", kernel}, {"strides", stride}});
}

/// A gate [N, 1, H, W] of the extents of `to`, with one value for a square of outputs: max-pool,
/// 1x1, and nearest enlargement, cut where the squares reach beyond the map.
ValueId add_tile_gate(Net& net, ValueId x, const Shape& to, const Layer& layer) {
    Random& random = net.random;
    const std::int64_t side = random.chance(0.85) ? grid : random.between(2, 3);
    const Shape tiles = {(to[2] + side - 1) / side, (to[3] + side - 1) / side};
    Layer pointwise;
    pointwise.kernel = {1, 1};
    pointwise.pads = {0, 0, 0, 0};
    ValueId small = add_conv(net, pool_to_tiles(net, x, tiles, side, layer), pointwise);
    small = add_clamped_gate(net, small, layer.density);
    return enlarge(net, small, {side, side}, to);
}

/// y.reshape(N, G, K / G, H, W) * gate.unsqueeze(2), or y times the gate repeated to K maps.
ValueId multiply_groups(Net& net, ValueId y, ValueId gate) {
    const Shape shape = net.shape(y);
    const std::int64_t groups = channels_of(net, gate), each = shape[1] / groups;
    const ValueId lifted = net.node(Op::unsqueeze, {gate, net.ints({2})});
    const ValueId whole = net.ints({0, shape[1], shape[2], shape[3]});
    if (net.random.chance(0.5)) {
        const ValueId parts =
            net.node(Op::reshape, {y, net.ints({0, groups, each, shape[2], shape[3]})});
        return net.node(Op::reshape, {net.node(Op::mul, {parts, lifted}), whole});
    }
    const ValueId repeated =
        net.node(Op::expand, {lifted, net.ints({1, groups, each, shape[2], shape[3]})});
    return net.node(Op::mul, {y, net.node(Op::reshape, {repeated, whole})});
}

ValueId multiply_gate(Net& net, ValueId x, ValueId y, const Layer& layer) {
    const Shape to = net.shape(y);
    if (layer.gating == Gating::tile) {
        const ValueId gate = add_tile_gate(net, x, to, layer);
        return net.node(Op::mul, {y, gate});
    }
    const std::int64_t maps = layer.gating == Gating::group     ? layer.groups
                              : layer.gating == Gating::element ? layer.outputs
                                                                : 1;
    const bool is_pointwise = layer.gating != Gating::position;
    ValueId gate = add_conv(net, x, bare(net, x, to, layer, maps, is_pointwise));
    gate = add_clamped_gate(net, gate, layer.density);
    if (maps > 1 && maps < layer.outputs) {
        return multiply_groups(net, y, gate);
    }
    return net.random.chance(0.5) ? net.node(Op::mul, {y, gate}) : net.node(Op::mul, {gate, y});
}

ValueId add_residual(Net& net, ValueId x, ValueId y, const Layer& layer) {
    const Shape to = net.shape(y);
    const ValueId shortcut = add_shortcut(net, x, to, layer);
    return net.random.chance(0.5) ? net.node(Op::add, {y, shortcut})
                                  : net.node(Op::add, {shortcut, y});
}

}  // namespace

ValueId add_clamped_gate(Net& net, ValueId maps, double density) {
    Random& random = net.random;
    const std::int64_t count = channels_of(net, maps);
    const bool differ = count > 1 && random.chance(0.3);
    std::vector<float> scale, shift;
    for (std::int64_t map = 0; map < count; ++map) {
        const std::vector<float> values = sorted_map(net.value(maps), map);
        const float bound = bound_of(values, differ ? random.unit() * 1.4 - 0.2 : density);
        const float reach = std::max(values.front() - bound, 0.5F * (bound - values.back()));
        scale.push_back(random.uniform(0.8F, 1.6F) / std::max(reach, 0.01F));
        shift.push_back(-bound * scale.back());
    }
    ValueId gate = no_value;
    if (random.chance(0.5)) {
        const Shape each = {count};
        gate = net.node(Op::batch_normalization,
                        {maps, net.constant(each, scale), net.constant(each, shift),
                         net.constant(each, std::vector<float>(scale.size(), 0)),
                         net.constant(each, std::vector<float>(scale.size(), 1))},
                        {{"epsilon", 0.0F}});
    } else {
        const Shape each = {1, count, 1, 1};
        gate = net.node(Op::mul, {maps, net.constant(each, scale)});
        gate = net.node(Op::add, {net.constant(each, shift), gate});
    }
    switch (random.between(0, 4)) {
        case 0:
        case 1:
            return net.node(Op::clip, {gate, net.scalar(0), net.scalar(1)});
        case 2:  // 0.3 x + 0 of HardSigmoid: active where the value is positive
            return net.node(Op::hard_sigmoid, {gate}, {{"alpha", 0.3F}, {"beta", 0.0F}});
        default:
            return net.node(Op::relu, {gate});
    }
}

ValueId enlarge(Net& net, ValueId small, const Shape& times, Shape to) {
    const bool is_half = net.random.chance(0.3);
    const ValueId scales =
        net.constant({4}, std::vector<float>{1, 1, float(times[0]), float(times[1])});
    const ValueId wide = net.node(
        Op::resize, {small, no_value, scales},
        {{"mode", std::string("nearest")},
         {"coordinate_transformation_mode", std::string(is_half ? "half_pixel" : "asymmetric")},
         {"nearest_mode", std::string(is_half ? "round_prefer_floor" : "floor")}});
    if (net.shape(wide) == Shape{to[0], 1, to[2], to[3]}) {
        return wide;
    }
    return net.node(Op::slice,
                    {wide, net.ints({0, 0}), net.ints({to[2], to[3]}), net.ints({2, 3})});
}

ValueId add_conv(Net& net, ValueId x, const Layer& layer) {
    const std::int64_t channels = channels_of(net, x);
    const std::int64_t each = channels / layer.conv_groups;
    const float norm = 1.7F / std::sqrt(float(each * layer.kernel[0] * layer.kernel[1]));
    Shape weights = {layer.outputs, each, layer.kernel[0], layer.kernel[1]};
    if (layer.is_transposed) {
        weights[0] = channels;
        weights[1] = layer.outputs / layer.conv_groups;
    }
    std::vector<ValueId> inputs = {x, net.constant(weights, -norm, norm)};
    if (layer.has_bias) {
        inputs.push_back(net.constant({layer.outputs}, -0.5F, 0.5F));
    }
    AttributeMap attributes = {{"strides", layer.stride}};
    if (!layer.auto_pad.empty()) {
        attributes["auto_pad"] = layer.auto_pad;
    } else if (layer.pads_apart) {
        const Shape& p = layer.pads;
        inputs[0] = net.node(Op::pad, {x, net.ints({0, 0, p[0], p[1], 0, 0, p[2], p[3]})});
    } else {
        attributes["pads"] = layer.pads;
    }
    if (net.random.chance(0.5)) {
        attributes["kernel_shape"] = layer.kernel;
    }
    if (layer.conv_groups > 1) {
        attributes["group"] = layer.conv_groups;
    }
    if (layer.dilation != Shape{1, 1}) {
        attributes["dilations"] = layer.dilation;
    }
    return net.node(layer.is_transposed ? Op::conv_transpose : Op::conv, inputs, attributes);
}

ValueId add_batch_norm(Net& net, ValueId x) {
    const Shape each = {channels_of(net, x)};
    std::vector<float> gamma(static_cast<std::size_t>(each[0]));
    for (float& g : gamma) {
        g = net.random.uniform(0.5F, 1.5F) * (net.random.chance(0.3) ? -1.0F : 1.0F);
    }
    return net.node(Op::batch_normalization,
                    {x, net.constant(each, gamma), net.constant(each, -0.5F, 0.5F),
                     net.constant(each, -0.3F, 0.3F), net.constant(each, 0.5F, 2)});
}

ValueId add_clip(Net& net, ValueId x) {
    Random& random = net.random;
    std::vector<float> values = net.value(x).data;
    std::sort(values.begin(), values.end());
    const auto quantile = [&values](double share) {
        return values[std::size_t(share * double(values.size() - 1))];
    };
    const float size = net.largest(x);
    float low = random.chance(0.3) ? 0 : quantile(0.4 * random.unit());
    float high = random.chance(0.2) ? low + 6 : quantile(0.6 + 0.4 * random.unit());
    high = std::max(high, low + 0.3F * size);
    if (random.chance(0.03)) {
        std::swap(low, high);  // ONNX: all values become the second bound
    }
    const bool has_low = random.chance(0.8), has_high = !has_low || random.chance(0.8);
    std::vector<ValueId> inputs = {x, has_low ? net.scalar(low) : no_value};
    if (has_high) {
        inputs.push_back(net.scalar(high));
    }
    return net.node(Op::clip, inputs);
}

ValueId add_activation(Net& net, ValueId x) {
    switch (net.random.between(0, 5)) {
        case 0:
        case 1:
            return add_clip(net, x);
        case 2:
            return net.node(Op::hard_sigmoid, {x},
                            {{"alpha", net.random.uniform(0.1F, 0.5F)},
                             {"beta", net.random.uniform(0.1F, 0.6F)}});
        default:
            return net.node(Op::relu, {x});
    }
}

ValueId add_shortcut(Net& net, ValueId x, const Shape& to, const Layer& layer) {
    if (net.shape(x) == to && net.random.chance(0.7)) {
        return x;
    }
    const ValueId y = add_conv(net, x, bare(net, x, to, layer, to[1], true));
    return net.random.chance(0.5) ? net.node(Op::relu, {y}) : y;
}

ValueId add_layer(Net& net, ValueId x, const Layer& layer) {
    ValueId y = add_conv(net, x, layer);
    y = layer.norm_before ? add_batch_norm(net, y) : y;
    y = layer.act_before ? add_activation(net, y) : y;
    const ValueId source = layer.gate_source == no_value ? x : layer.gate_source;
    y = layer.gating != Gating::none ? multiply_gate(net, source, y, layer) : y;
    y = layer.norm_after ? add_batch_norm(net, y) : y;
    y = layer.has_residual && !layer.residual_last ? add_residual(net, x, y, layer) : y;
    y = layer.act_after ? add_activation(net, y) : y;
    return layer.has_residual && layer.residual_last ? add_residual(net, x, y, layer) : y;
}

}  // namespace sluice::sweep
