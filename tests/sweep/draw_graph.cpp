#include <algorithm>
#include <set>

#include "sweep/cases.h"
#include "sweep/grow.h"

namespace sluice::sweep {
namespace {

const std::vector<Grow>& growths() {
    static const std::vector<Grow> all = {
        grow_activation,  grow_batch_norm, grow_with_constant, grow_with_constant, grow_binary,
        grow_binary,      grow_binary,     grow_softmax,       grow_linear,        grow_linear,
        grow_concat,      grow_concat,     grow_slice,         grow_pad,           grow_transpose,
        grow_reshape,     grow_reshape,    grow_expand,        grow_alias,         grow_alias,
        grow_layer,       grow_layer,      grow_layer,         grow_pool,          grow_pool,
        grow_global_pool, grow_resize};
    return all;
}

void add_inputs(Net& net) {
    Random& random = net.random;
    const auto extent = [&random] { return random.chance(0.15) ? 1 : random.between(1, 12); };
    const std::int64_t channels = random.chance(0.3)   ? random.pick<std::int64_t>({1, 3, 16, 32})
                                  : random.chance(0.2) ? 1
                                                       : random.between(1, 24);
    Shape extents = {channels, extent(), extent()};
    extents.resize(random.chance(0.8) ? 3 : std::size_t(random.between(1, 2)));
    net.input(extents);
    if (random.chance(0.3)) {  // another that broadcasts with it
        for (std::int64_t& e : extents) {
            e = random.chance(0.3) ? 1 : e;
        }
        net.input(extents);
    }
}

/// Keeps values near one: nothing overflows after many products.
ValueId of_moderate_size(Net& net, ValueId x) {
    const float largest = net.largest(x);
    const bool is_moderate = largest == 0 || (largest < 50 && largest > 0.02F);
    return is_moderate ? x : net.node(Op::mul, {x, net.scalar(1 / largest)});
}

/// Every value that no node reads, and now and then one that some node does.
void add_outputs(Net& net) {
    std::set<ValueId> read;
    for (const Node& node : net.graph.nodes) {
        read.insert(node.inputs.begin(), node.inputs.end());
    }
    for (const Node& node : net.graph.nodes) {
        const ValueId id = node.outputs[0];
        if (!read.contains(id) || net.random.chance(0.05)) {
            net.output(id);
        }
    }
}

}  // namespace

ValueId pick_value(Net& net) {
    const std::vector<Node>& nodes = net.graph.nodes;
    const auto count = std::int64_t(nodes.size());
    const auto inputs = std::int64_t(net.graph.inputs.size());
    while (true) {
        const std::int64_t at = net.random.chance(0.6) ? net.random.between(count - 2, count - 1)
                                                       : net.random.between(-inputs, count - 1);
        const ValueId id = at >= 0 ? nodes[std::size_t(at)].outputs[0]
                                   : net.graph.inputs[std::size_t(std::min(-at, inputs) - 1)];
        if (net.shape(id).size() <= 4) {  // parts of a gate have one more, which few kernels take
            return id;
        }
    }
}

Net draw_graph(Random& random) {
    Net net(random, random.chance(0.6) ? 1 : random.between(2, 3), random.chance(0.7));
    add_inputs(net);
    const std::int64_t growing = random.between(2, 12);
    for (std::int64_t i = 0; i < growing; ++i) {
        const ValueId y = random.pick(growths())(net, pick_value(net));
        if (y != no_value) {
            of_moderate_size(net, y);
        }
    }
    if (net.graph.nodes.empty()) {
        grow_activation(net, net.graph.inputs[0]);
    }
    add_outputs(net);
    return net;
}

}  // namespace sluice::sweep
