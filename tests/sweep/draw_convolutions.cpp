#include <algorithm>

#include "sweep/cases.h"

namespace sluice::sweep {
namespace {

/// Multiply-accumulates of a case, roughly: most are small, since an emulated reference takes half
/// a second for the larger ones.
std::int64_t draw_size(Random& random) { return random.chance(0.2) ? 3'000'000 : 500'000; }
constexpr std::int64_t largest_side = 20;

enum Kind : std::uint64_t {
    any,
    any_on_classes,
    dense_class,
    strided_class,
    image_stem,
    position_class,
    pairs,
    element_class,
    tile_class,
    group_class,
    gated_blocks,
};

/// Channels that kernels are made for.
std::int64_t class_channels(Random& random) {
    return random.chance(0.02)
               ? random.pick<std::int64_t>({256, 400, 512})
               : random.pick<std::int64_t>({16, 16, 16, 32, 32, 48, 64, 64, 96, 128});
}

std::int64_t any_channels(Random& random) {
    return random.chance(0.5)   ? class_channels(random)
           : random.chance(0.5) ? random.between(1, 8)
                                : random.between(1, 70);
}

/// A map of this many channels over which a 3x3 convolution of this stride to as many stays in
/// bounds; of sides that tiles divide where `is_tiled`.
Shape draw_map(Net& net, std::int64_t channels, std::int64_t stride, bool is_tiled,
               std::int64_t macs) {
    Random& random = net.random;
    const std::int64_t unit = is_tiled ? 4 * stride : 1;
    const std::int64_t each =
        9 * channels * std::max<std::int64_t>(channels, 8) * net.batch() / (stride * stride);
    const std::int64_t most = std::max<std::int64_t>(macs / (each * unit * unit), 1);
    const std::int64_t side = largest_side / unit;
    const std::int64_t height = random.between(1, std::min(most, side));
    const std::int64_t width = random.between(1, std::min(most / height, side));
    const Shape map = {channels, unit * height, unit * width};
    return random.chance(0.5) ? map : Shape{channels, map[2], map[1]};
}

double draw_density(Random& random) {
    switch (random.between(0, 5)) {
        case 0:
            return 0;
        case 1:
            return 1;
        case 2:
            return 0.15 * random.unit();
        default:
            return random.unit();
    }
}

void draw_surroundings(Random& random, Layer& layer) {
    layer.has_bias = random.chance(0.7);
    layer.norm_before = random.chance(0.3);
    layer.norm_after = random.chance(0.3);
    layer.act_before = random.chance(0.4);
    layer.act_after = random.chance(0.5);
    layer.has_residual = random.chance(0.3);
    layer.residual_last = random.chance(0.3);
    layer.density = draw_density(random);
}

std::int64_t draw_groups(Random& random, std::int64_t outputs) {
    std::vector<std::int64_t> divisors;
    for (std::int64_t groups = 2; groups < outputs; ++groups) {
        if (outputs % groups == 0 && groups <= 16) {
            divisors.push_back(groups);
        }
    }
    return divisors.empty() ? 1 : random.pick(divisors);
}

void draw_pads(Random& random, Layer& layer) {
    const Shape& k = layer.kernel;
    if (random.chance(0.5)) {
        layer.pads = {k[0] / 2, k[1] / 2, (k[0] - 1) / 2, (k[1] - 1) / 2};
    } else if (random.chance(0.2)) {
        layer.auto_pad = random.pick<std::string>({"VALID", "SAME_UPPER", "SAME_LOWER"});
        // Strides beyond the kernel may crop, which is refused.
        for (std::size_t axis = 0; axis < 2; ++axis) {
            layer.stride[axis] = std::min(layer.stride[axis], k[axis] + 1);
        }
    } else {
        layer.pads = {random.between(0, k[0]), random.between(0, k[1]), random.between(0, k[0]),
                      random.between(0, k[1])};
    }
    layer.pads_apart = random.chance(0.1);
}

/// Makes the window fit a map of these extents {y, x}.
void fit_window(Layer& layer, const Shape& map) {
    const bool is_padded = layer.auto_pad.empty();
    for (std::size_t axis = 0; axis < 2; ++axis) {
        if (is_padded) {
            const std::int64_t room = map[axis] + layer.pads[axis] + layer.pads[axis + 2];
            layer.pads[axis + 2] += std::max<std::int64_t>(layer.kernel[axis] - room, 0);
        } else {
            layer.kernel[axis] = std::min(layer.kernel[axis], map[axis]);
        }
    }
}

std::int64_t output_extent(const Layer& layer, const Shape& map, std::size_t axis) {
    const bool is_same = layer.auto_pad.starts_with("SAME");
    const std::int64_t pads = layer.auto_pad.empty() ? layer.pads[axis] + layer.pads[axis + 2] : 0;
    const std::int64_t room = is_same ? map[axis] - 1 : map[axis] + pads - layer.kernel[axis];
    return room / layer.stride[axis] + 1;
}

/// No more output channels than the bound on its work leaves.
void limit_outputs(Layer& layer, const Shape& x, std::int64_t most) {
    const Shape map = {x[2], x[3]};
    const std::int64_t each = x[0] * x[1] * layer.kernel[0] * layer.kernel[1] *
                              output_extent(layer, map, 0) * output_extent(layer, map, 1);
    layer.outputs = std::clamp<std::int64_t>(most / each, 1, layer.outputs);
}

Layer class_layer(Random& random, Kind kind, std::int64_t channels) {
    Layer layer;
    draw_surroundings(random, layer);
    layer.outputs = random.chance(0.7) ? channels : class_channels(random);
    switch (kind) {
        case dense_class:
            layer.act_before = random.chance(0.1);
            layer.kernel = random.chance(0.2) ? Shape{1, 1} : layer.kernel;
            layer.pads = layer.kernel[0] == 1 ? Shape{0, 0, 0, 0} : layer.pads;
            break;
        case strided_class: {
            const std::int64_t kernel = random.pick<std::int64_t>({3, 3, 3, 4});
            layer.kernel = {kernel, kernel};
            layer.stride = {2, 2};
            layer.outputs = channels <= 64 && random.chance(0.5) ? 2 * channels : layer.outputs;
            layer.act_before = random.chance(0.1);
            layer.pads = random.chance(0.7) ? layer.pads
                                            : Shape{random.between(0, 2), random.between(0, 2),
                                                    random.between(0, 2), random.between(0, 2)};
            layer.gating = random.pick<Gating>(
                {Gating::none, Gating::position, Gating::element, Gating::tile});
            break;
        }
        case position_class:
            layer.gating = random.chance(0.5) ? Gating::position : Gating::pointwise;
            break;
        case pairs:
            layer.outputs = random.pick<std::int64_t>({16, 32, 64});
            layer.gating = random.chance(0.5) ? Gating::position : Gating::pointwise;
            break;
        case element_class:
            layer.gating = Gating::element;
            break;
        case tile_class:
            layer.gating = Gating::tile;
            break;
        case group_class:
            layer.gating = Gating::group;
            layer.groups = draw_groups(random, layer.outputs);
            break;
        default:
            break;
    }
    // A clamp before the gate leaves a layer to the direct kernels.
    layer.act_before = layer.act_before && random.chance(0.5);
    return layer;
}

/// Two layers of which the second reads what the first left constant. A gate of that would be
/// constant in places too: most are gates of what the first reads.
void make_pair(Random& random, Layer& first, Layer& second, ValueId x) {
    first.has_residual = false;
    second.gate_source = random.chance(0.8) ? x : no_value;
    if (random.chance(0.7)) {
        first.density = 0.05 + 0.2 * random.unit();
        second.density = 0.1 + 0.5 * random.unit();
    }
}

/// x, or a convolution of it to `channels`.
ValueId add_stem(Net& net, std::int64_t channels, const Shape& map) {
    const bool is_direct = net.random.chance(0.4);
    const ValueId x = net.input({is_direct ? channels : net.random.between(1, 6), map[1], map[2]});
    if (is_direct) {
        return x;
    }
    Layer stem;
    stem.outputs = channels;
    stem.kernel = net.random.chance(0.5) ? Shape{1, 1} : stem.kernel;
    stem.pads = stem.kernel[0] == 1 ? Shape{0, 0, 0, 0} : stem.pads;
    return net.node(Op::relu, {add_conv(net, x, stem)});
}

void add_any_layers(Net& net, bool on_classes) {
    Random& random = net.random;
    const std::int64_t macs = draw_size(random);
    const std::int64_t channels = on_classes ? class_channels(random) : any_channels(random);
    ValueId x = add_stem(net, channels, draw_map(net, channels, 1, random.chance(0.3), macs));
    const std::int64_t layers = random.between(1, 3);
    for (std::int64_t i = 0; i < layers; ++i) {
        x = add_layer(net, x, draw_layer(net, x, macs / layers));
    }
    net.output(x);
}

void add_image_stem(Net& net) {
    Random& random = net.random;
    // Of even extents, the four phases are alike.
    const auto side = [&random] {
        return random.chance(0.6) ? 2 * random.between(4, 10) : random.between(7, largest_side);
    };
    ValueId x = net.input({3, side(), side()});
    Layer layer;
    draw_surroundings(random, layer);
    layer.kernel = random.chance(0.6) ? Shape{7, 7} : Shape{3, 3};
    layer.stride = random.chance(0.8) ? Shape{2, 2} : layer.stride;
    const std::int64_t pad = layer.kernel[0] / 2;
    layer.pads = {pad, pad, pad, pad};
    layer.outputs = random.pick<std::int64_t>({16, 32, 48, 64, 64});
    layer.act_before = layer.has_residual = false;
    x = add_layer(net, x, layer);
    net.output(x);
}

void add_class_layers(Net& net, Kind kind) {
    Random& random = net.random;
    const std::int64_t macs = draw_size(random);
    std::int64_t channels =
        kind == pairs ? random.pick<std::int64_t>({16, 16, 32, 64}) : class_channels(random);
    if (kind == strided_class && random.chance(0.3)) {
        channels = random.pick<std::int64_t>({3, 4, 8, 12});
    }
    const std::int64_t stride = kind == strided_class ? 2 : 1;
    ValueId x = add_stem(net, channels, draw_map(net, channels, stride, random.chance(0.6), macs));
    std::vector<Layer> layers(std::size_t(kind == pairs ? 2 : random.between(1, 2)));
    for (Layer& layer : layers) {
        layer = class_layer(random, kind, channels);
        channels = layer.outputs;
    }
    if (kind == pairs) {
        make_pair(random, layers[0], layers[1], x);
    }
    for (Layer& layer : layers) {
        const Shape shape = net.shape(x);
        fit_window(layer, {shape[2], shape[3]});
        x = add_layer(net, x, layer);
    }
    net.output(x);
}

}  // namespace

Layer draw_layer(Net& net, ValueId x, std::int64_t most) {
    Random& random = net.random;
    Layer layer;
    draw_surroundings(random, layer);
    const auto extent = [&random] { return random.chance(0.5) ? 3 : random.between(1, 7); };
    const auto stride = [&random] { return random.chance(0.6) ? 1 : random.between(1, 3); };
    layer.kernel[0] = extent();
    layer.kernel[1] = random.chance(0.8) ? layer.kernel[0] : extent();
    layer.stride[0] = stride();
    layer.stride[1] = random.chance(0.75) ? layer.stride[0] : stride();
    draw_pads(random, layer);
    const Shape shape = net.shape(x);
    fit_window(layer, {shape[2], shape[3]});
    layer.outputs = any_channels(random);
    limit_outputs(layer, shape, most);
    layer.gating =
        random.pick<Gating>({Gating::none, Gating::none, Gating::position, Gating::pointwise,
                             Gating::group, Gating::element, Gating::tile});
    layer.groups = layer.gating == Gating::group ? draw_groups(random, layer.outputs) : 1;
    return layer;
}

Net draw_convolutions(Random& random, std::uint64_t kind) {
    const std::int64_t batch = random.chance(0.6) ? 1 : random.between(2, 3);
    Net net(random, batch, random.chance(0.7));
    switch (kind) {
        case any:
        case any_on_classes:
            add_any_layers(net, kind == any_on_classes);
            break;
        case image_stem:
            add_image_stem(net);
            break;
        case gated_blocks: {
            const std::int64_t macs = draw_size(random);
            add_gated_blocks(net, any_channels(random), macs);
            break;
        }
        default:
            if (kind < first_sparse_kind) {
                add_class_layers(net, Kind(kind));
            } else {
                add_sparse_window(net, kind - first_sparse_kind);
            }
    }
    return net;
}

}  // namespace sluice::sweep
