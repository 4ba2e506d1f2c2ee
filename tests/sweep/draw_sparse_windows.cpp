#include <algorithm>
#include <numeric>

#include "sweep/cases.h"

namespace sluice::sweep {
namespace {

constexpr std::int64_t largest_side = 16;

enum Kind : std::uint64_t { depthwise, with_groups, transposed };

/// A divisor of the channels of both sides.
std::int64_t draw_conv_groups(Random& random, std::int64_t inputs, std::int64_t outputs) {
    std::vector<std::int64_t> divisors;
    const std::int64_t common = std::gcd(inputs, outputs);
    for (std::int64_t groups = 1; groups <= common; ++groups) {
        if (common % groups == 0) {
            divisors.push_back(groups);
        }
    }
    return random.pick(divisors);
}

void draw_window(Random& random, std::uint64_t kind, Layer& layer) {
    const auto extent = [&] { return random.pick<std::int64_t>({1, 3, 3, 3, 4, 5, 5, 7}); };
    layer.kernel[0] = extent();
    layer.kernel[1] = random.chance(0.8) ? layer.kernel[0] : extent();
    layer.stride[0] = random.chance(0.6) ? 1 : random.between(1, 3);
    layer.stride[1] = random.chance(0.8) ? layer.stride[0] : random.between(1, 3);
    if (random.chance(kind == depthwise ? 0.2 : 0.5)) {
        layer.dilation = {random.between(1, 4), random.between(1, 4)};
    }
    for (std::size_t side = 0; side < 4; ++side) {
        const std::int64_t reach = layer.dilation[side % 2] * (layer.kernel[side % 2] - 1);
        // All of a transposed window's first outputs may be cut off; the input keeps one then.
        layer.pads[side] = random.chance(0.7)   ? reach / 2
                           : kind == transposed ? random.between(0, reach / 2)
                                                : random.between(0, reach);
    }
}

/// Pads an ordinary window's end until it fits the map.
void fit_window(Layer& layer, const Shape& x) {
    for (std::size_t axis = 0; axis < 2; ++axis) {
        const std::int64_t reach = layer.dilation[axis] * (layer.kernel[axis] - 1) + 1;
        const std::int64_t room = x[axis + 2] + layer.pads[axis] + layer.pads[axis + 2];
        layer.pads[axis + 2] += std::max<std::int64_t>(reach - room, 0);
    }
}

}  // namespace

void add_sparse_window(Net& net, std::uint64_t kind) {
    Random& random = net.random;
    const std::int64_t channels =
        random.chance(0.5) ? 8 * random.between(1, 6) : random.between(1, 30);
    ValueId x =
        net.input({channels, random.between(2, largest_side), random.between(2, largest_side)});
    if (random.chance(0.7)) {  // behind a layer values have lanes beside their channels
        Layer before;
        before.outputs = channels;
        before.kernel = {1, 1};
        before.pads = {0, 0, 0, 0};
        x = net.node(Op::relu, {add_conv(net, x, before)});
    }
    Layer layer;
    draw_window(random, kind, layer);
    layer.outputs = random.chance(0.6)   ? channels
                    : random.chance(0.5) ? channels * random.between(1, 3)
                                         : random.between(1, 40);
    layer.conv_groups =
        kind == depthwise ? channels : draw_conv_groups(random, channels, layer.outputs);
    layer.outputs = kind == depthwise && random.chance(0.8) ? channels : layer.outputs;
    layer.outputs = layer.outputs % layer.conv_groups == 0 ? layer.outputs : channels;
    layer.is_transposed = kind == transposed;
    layer.has_bias = random.chance(0.7);
    layer.norm_before = random.chance(0.3);
    layer.norm_after = random.chance(0.3);
    layer.act_before = random.chance(0.4);
    layer.act_after = random.chance(0.5);
    layer.has_residual = random.chance(0.3);
    layer.density = random.unit();
    if (!layer.is_transposed) {
        fit_window(layer, net.shape(x));
        layer.gating = random.pick<Gating>({Gating::none, Gating::none, Gating::position,
                                            Gating::pointwise, Gating::element, Gating::tile});
    }
    net.output(add_layer(net, x, layer));
}

}  // namespace sluice::sweep
