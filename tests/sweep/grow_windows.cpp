#include <algorithm>

#include "sweep/cases.h"
#include "sweep/grow.h"

namespace sluice::sweep {
namespace {

constexpr std::int64_t most_macs = 300'000;  ///< of a layer
constexpr std::int64_t most_outputs = 40;

bool is_map(const Net& net, ValueId x) { return net.shape(x).size() == 4; }

}  // namespace

ValueId grow_layer(Net& net, ValueId x) {
    if (!is_map(net, x)) {
        return no_value;
    }
    Layer layer = draw_layer(net, x, most_macs);
    const bool is_wide = layer.outputs > most_outputs;
    layer.outputs = is_wide ? most_outputs : layer.outputs;
    layer.groups = is_wide && layer.gating == Gating::group ? 4 : layer.groups;
    return add_layer(net, x, layer);
}

ValueId grow_pool(Net& net, ValueId x) {
    if (!is_map(net, x)) {
        return no_value;
    }
    Random& random = net.random;
    const Shape shape = net.shape(x);
    Shape kernel, stride, pads(4, 0);
    for (std::size_t axis = 0; axis < 2; ++axis) {
        kernel.push_back(std::min(random.between(1, 5), shape[axis + 2]));
        stride.push_back(random.between(1, 3));
        pads[axis] = random.chance(0.5) ? 0 : random.between(0, kernel[axis] - 1);
        pads[axis + 2] = random.chance(0.5) ? 0 : random.between(0, kernel[axis] - 1);
    }
    AttributeMap attributes = {{"kernel_shape", kernel}, {"strides", stride}};
    if (random.chance(0.15)) {
        // Strides beyond the kernel may crop, which is refused.
        for (std::size_t axis = 0; axis < 2; ++axis) {
            stride[axis] = std::min(stride[axis], kernel[axis] + 1);
        }
        attributes["strides"] = stride;
        attributes["auto_pad"] = random.pick<std::string>({"VALID", "SAME_UPPER", "SAME_LOWER"});
    } else {
        attributes["pads"] = pads;
        attributes["ceil_mode"] = std::int64_t(random.chance(0.4));
    }
    if (random.chance(0.5)) {
        return net.node(Op::max_pool, {x}, attributes);
    }
    attributes["count_include_pad"] = std::int64_t(random.chance(0.5));
    return net.node(Op::average_pool, {x}, attributes);
}

ValueId grow_global_pool(Net& net, ValueId x) {
    if (!is_map(net, x)) {
        return no_value;
    }
    if (net.random.chance(0.5)) {
        return net.node(Op::global_average_pool, {x});
    }
    return net.node(Op::reduce_mean, {x},
                    {{"axes", net.random.chance(0.5) ? Shape{2, 3} : Shape{-1, -2}},
                     {"keepdims", std::int64_t(net.random.chance(0.5))}});
}

ValueId grow_resize(Net& net, ValueId x) {
    if (!is_map(net, x) || element_count(net.shape(x)) > 2000) {
        return no_value;
    }
    Random& random = net.random;
    const bool is_linear = random.chance(0.4);
    AttributeMap attributes = {
        {"mode", std::string(is_linear ? "linear" : "nearest")},
        {"coordinate_transformation_mode",
         random.pick<std::string>(
             {"asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"})},
        {"nearest_mode",
         random.pick<std::string>({"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"})}};
    const auto scale = [&random] {
        return random.chance(0.5) ? float(random.between(1, 3)) : random.uniform(0.4F, 2.6F);
    };
    const Shape shape = net.shape(x);
    const std::vector<float> scales = {1, 1, std::max(scale(), 1.01F / float(shape[2])),
                                       std::max(scale(), 1.01F / float(shape[3]))};
    return net.node(Op::resize, {x, no_value, net.constant({4}, scales)}, attributes);
}

}  // namespace sluice::sweep
