#include <algorithm>
#include <cmath>
#include <map>

#include "sweep/cases.h"

namespace sluice::sweep {
namespace {

constexpr std::int64_t whole_map = 0;

/// A residual block all of whose convolutions obey one gate.
struct Block {
    std::int64_t grain = 1;  ///< outputs along each side of the squares that a value governs
    std::int64_t stride = 1;
    bool is_bottleneck = false;  ///< 1x1, 3x3, 1x1
    bool is_bare = false;  ///< the gate right behind each convolution, norm and ReLU behind it
    std::int64_t outputs = 1;
    double density = 0.5;
};

Layer window(std::int64_t outputs, std::int64_t kernel, std::int64_t stride) {
    Layer layer;
    const std::int64_t pad = kernel / 2;
    layer.kernel = {kernel, kernel};
    layer.pads = {pad, pad, pad, pad};
    layer.stride = {stride, stride};
    layer.outputs = outputs;
    return layer;
}

/// The values of a block's gate, before they are repeated.
ValueId add_gate(Net& net, ValueId x, const Block& block) {
    if (block.grain == whole_map) {
        const ValueId mean = net.node(Op::global_average_pool, {x});
        return add_clamped_gate(net, add_conv(net, mean, window(1, 1, 1)), block.density);
    }
    if (block.grain == 1) {
        return add_clamped_gate(net, add_conv(net, x, window(1, 3, block.stride)), block.density);
    }
    const Shape side(2, block.grain * block.stride);
    const ValueId pooled =
        net.node(Op::max_pool, {x},
                 {{"kernel_shape", side}, {"strides", side}, {"ceil_mode", std::int64_t{1}}});
    return add_clamped_gate(net, add_conv(net, pooled, window(1, 3, 1)), block.density);
}

/// One value for each image, repeated as files do.
ValueId repeat_one(Net& net, ValueId gate, Shape to) {
    switch (net.random.between(0, 3)) {
        case 0:
            return net.node(Op::expand, {gate, net.ints({1, 1, to[2], to[3]})});
        case 1:
            return net.node(Op::expand, {gate, net.ints({1, to[1], to[2], to[3]})});
        case 2:
            return enlarge(net, gate, {to[2], to[3]}, to);
        default:
            return gate;  // the product repeats it
    }
}

/// The gate over the extents of layers before and behind the block's stride.
class Mask {
public:
    Mask(Net& net, ValueId x, const Block& block)
        : net_(net), block_(block), gate_(add_gate(net, x, block)) {}

    ValueId times(ValueId y, bool is_before_stride) {
        const ValueId mask = over(y, block_.grain * (is_before_stride ? block_.stride : 1));
        return net_.random.chance(0.5) ? net_.node(Op::mul, {y, mask})
                                       : net_.node(Op::mul, {mask, y});
    }

private:
    ValueId over(ValueId y, std::int64_t times) {
        if (block_.grain == whole_map) {
            return repeat_one(net_, gate_, net_.shape(y));
        }
        if (times > 1 && !masks_.contains(times)) {
            masks_[times] = enlarge(net_, gate_, {times, times}, net_.shape(y));
        }
        return times > 1 ? masks_[times] : gate_;
    }

    Net& net_;
    const Block& block_;
    ValueId gate_;
    std::map<std::int64_t, ValueId> masks_;
};

std::vector<Layer> layers_of(Random& random, const Block& block) {
    if (!block.is_bottleneck) {
        return {window(block.outputs, 3, block.stride), window(block.outputs, 3, 1)};
    }
    const std::int64_t width = random.pick<std::int64_t>({3, 8, 16, 16, 32});
    return {window(width, 1, 1), window(width, 3, block.stride), window(block.outputs, 1, 1)};
}

ValueId add_block(Net& net, ValueId x, const Block& block) {
    Random& random = net.random;
    const ValueId first = block.is_bare ? net.node(Op::relu, {add_batch_norm(net, x)}) : x;
    Mask mask(net, first, block);
    ValueId y = first;
    const std::vector<Layer> layers = layers_of(random, block);
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const bool is_last = i + 1 == layers.size();
        y = add_conv(net, y, layers[i]);
        if (!block.is_bare) {
            y = random.chance(0.5) ? add_batch_norm(net, y) : y;
            y = is_last ? y : net.node(Op::relu, {y});
        }
        y = mask.times(y, block.is_bottleneck && i == 0);
        y = block.is_bare && !is_last ? net.node(Op::relu, {add_batch_norm(net, y)}) : y;
    }
    const ValueId shortcut =
        add_shortcut(net, x, net.shape(y), window(block.outputs, 3, block.stride));
    const ValueId sum =
        random.chance(0.5) ? net.node(Op::add, {y, shortcut}) : net.node(Op::add, {shortcut, y});
    return random.chance(0.7) ? net.node(Op::relu, {sum}) : sum;
}

}  // namespace

void add_gated_blocks(Net& net, std::int64_t channels, std::int64_t macs) {
    Random& random = net.random;
    const double each = 18.0 * double(channels * std::max<std::int64_t>(channels, 8) * net.batch());
    const auto most = std::int64_t(std::clamp(std::sqrt(double(macs) / each), 1.0, 20.0));
    ValueId x = net.input({channels, random.between(1, most), random.between(1, most)});
    for (std::int64_t blocks = random.between(1, 2); blocks > 0; --blocks) {
        Block block;
        block.grain = random.pick<std::int64_t>({1, 1, 2, 2, 3, 4, 4, 8, whole_map, whole_map});
        block.stride = random.chance(0.3) ? 2 : 1;
        block.is_bottleneck = random.chance(0.4);
        block.is_bare = random.chance(0.4);
        block.outputs = random.chance(0.6) ? net.shape(x)[1] : random.between(1, 2 * channels);
        block.density = random.chance(0.1) ? 0 : random.unit();
        x = add_block(net, x, block);
    }
    net.output(x);
}

}  // namespace sluice::sweep
