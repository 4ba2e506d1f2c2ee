#include <algorithm>
#include <string>

#include "plan/gate_scans.h"
#include "plan/winograd_plans.h"

using namespace sluice;
using namespace sluice::plan_test;

/// Residual blocks under one gate: what their plans hold.
namespace {

constexpr std::int64_t whole_map = 0;

struct ResidualBlock {
    std::int64_t grain = 1;
    std::int64_t stride = 1;
    bool is_bottleneck = false;
    bool is_bare = false;  ///< the gate right behind each convolution, norm and ReLU behind it
    std::int64_t channels = 16;
    std::int64_t height = 16, width = 24;
};

ValueId strided_conv(GraphBuilder& b, ValueId x, std::int64_t maps, std::int64_t kernel,
                     std::int64_t stride) {
    const Shape from = b.shape(x);
    const std::int64_t pad = kernel / 2;
    const Shape to = {1, maps, (from[2] - 1) / stride + 1, (from[3] - 1) / stride + 1};
    return b.node(Op::conv, {x, b.constant({maps, from[1], kernel, kernel}), b.constant({maps})},
                  to, {{"pads", Shape{pad, pad, pad, pad}}, {"strides", Shape{stride, stride}}});
}

/// The values of a block's gate, before they are repeated.
ValueId gate_of(GraphBuilder& b, ValueId x, const ResidualBlock& block) {
    if (block.grain == 1) {
        return b.clip(strided_conv(b, x, 1, 3, block.stride), 0, 1);
    }
    const Shape shape = b.shape(x);
    if (block.grain == whole_map) {
        const ValueId mean = b.node(Op::global_average_pool, {x}, {1, shape[1], 1, 1});
        return b.clip(b.conv(mean, 1, 1), 0, 1);
    }
    const std::int64_t side = block.grain * block.stride;
    const ValueId pooled = b.node(
        Op::max_pool, {x}, {1, shape[1], count_tiles(shape[2], side), count_tiles(shape[3], side)},
        {{"kernel_shape", Shape{side, side}},
         {"strides", Shape{side, side}},
         {"ceil_mode", std::int64_t{1}}});
    return b.clip(b.conv(pooled, 1, 3), 0, 1);
}

ValueId repeated(GraphBuilder& b, ValueId gate, std::int64_t times, const Shape& like) {
    if (times <= 1) {
        return gate;
    }
    const Shape small = b.shape(gate), wide = {1, 1, times * small[2], times * small[3]};
    const ValueId all = b.node(Op::resize, {gate}, wide,
                               {{"coordinate_transformation_mode", std::string("asymmetric")},
                                {"nearest_mode", std::string("floor")}});
    const Shape cut = {1, 1, like[2], like[3]};
    return wide == cut ? all
                       : b.node(Op::slice,
                                {all, b.integers({0, 0}), b.integers({like[2], like[3]}),
                                 b.integers({2, 3})},
                                cut);
}

/// The names of the convolutions under the gate.
std::vector<std::string> add_block(GraphBuilder& b, const ResidualBlock& block) {
    const ValueId x = image(b, block.channels, block.height, block.width);
    const ValueId gate = gate_of(b, x, block);
    std::vector<std::string> names;
    ValueId y = x;
    const auto add = [&](std::int64_t maps, std::int64_t kernel, std::int64_t stride, bool is_first,
                         bool is_last) {
        y = strided_conv(b, y, maps, kernel, stride);
        names.push_back(b.graph.nodes.back().name);
        const std::int64_t before = is_first && stride < block.stride ? block.stride : 1;
        y = block.is_bare || is_last ? y : b.relu(b.normalize(y));
        y = b.mul(y, repeated(b, gate, block.grain * before, b.shape(y)));
        y = block.is_bare && !is_last ? b.relu(b.normalize(y)) : y;
    };
    if (block.is_bottleneck) {
        add(block.channels, 1, 1, true, false);
        add(block.channels, 3, block.stride, false, false);
        add(2 * block.channels, 1, 1, false, true);
    } else {
        add(block.channels, 3, block.stride, true, false);
        add(block.channels, 3, 1, false, true);
    }
    const bool is_same = b.shape(x) == b.shape(y);
    const ValueId sum =
        b.add_up(y, is_same ? x : strided_conv(b, x, b.shape(y)[1], 1, block.stride));
    b.output(b.relu(sum));
    return names;
}

std::string name_of(const ResidualBlock& block) {
    return std::string(block.is_bare ? "bare " : "") +
           (block.is_bottleneck ? "bottleneck" : "basic") + " of grain " +
           std::to_string(block.grain) + ", stride " + std::to_string(block.stride);
}

template <typename Check>
void for_each_block(Check check) {
    for (const std::int64_t grain : {1, 2, 4, 8, 3, 0}) {
        for (const std::int64_t stride : {1, 2}) {
            for (const bool is_bottleneck : {false, true}) {
                for (const bool is_bare : {false, true}) {
                    check(ResidualBlock{grain, stride, is_bottleneck, is_bare});
                    check(ResidualBlock{grain, stride, is_bottleneck, is_bare, 12, 13, 11});
                }
            }
        }
    }
}

Steps steps_of_node(const Plan& plan, const std::string& node, Algorithm algorithm) {
    Steps steps = steps_of(plan, algorithm);
    std::erase_if(steps, [&](const Step* step) { return step->node != node; });
    return steps;
}

bool is_same_view(const Buffer& a, const Buffer& b) {
    return is_same(a, b) && std::equal(a.axes.begin(), a.axes.end(), b.axes.begin(), b.axes.end(),
                                       [](const Axis& first, const Axis& second) {
                                           return first.extent == second.extent &&
                                                  first.stride == second.stride;
                                       });
}

}  // namespace

TEST_CASE("every convolution of a block skips by the block's gate, at every grain") {
    for (const Target* target : possible_targets()) {
        for_each_block([&](const ResidualBlock& block) {
            GraphBuilder b(4);
            const std::vector<std::string> names = add_block(b, block);
            const auto plan = checked_plan(b, *target);
            INFO(name_of(block) << "\n" << explain(*plan));
            CHECK(steps_of(*plan, Algorithm::binary).empty());
            CHECK(steps_of(*plan, Algorithm::resize).empty());
            REQUIRE(plan->gates.size() == names.size());
            for (std::size_t i = 0; i < names.size(); ++i) {
                CHECK(plan->gates[i].layer == names[i]);
                CHECK(plan->gates[i].skips);
                CHECK(plan->gates[i].height == plan->gates[0].height);
            }
        });
    }
}

TEST_CASE("a scan or a copy of a block's gate serves all of its convolutions") {
    for (const Target* target : possible_targets()) {
        for_each_block([&](const ResidualBlock& block) {
            GraphBuilder b(4);
            add_block(b, block);
            const auto plan = checked_plan(b, *target);
            INFO(name_of(block) << "\n" << explain(*plan));
            const Steps scans = steps_of(*plan, Algorithm::positions);
            const bool has_one_size = block.stride == 1 || !block.is_bottleneck;
            CHECK((scans.size() == 1 || (block.grain != 1 && block.grain != whole_map) ||
                   !has_one_size));
            for (std::size_t i = 0; i < scans.size(); ++i) {
                for (std::size_t j = 0; j < i; ++j) {
                    const auto first = call_of<PositionsCall>(*scans[i]);
                    const auto second = call_of<PositionsCall>(*scans[j]);
                    CHECK(!is_same_view(first.gate, second.gate));
                    CHECK((first.gate.axes[0].extent != second.gate.axes[0].extent));
                }
            }
        });
    }
}

TEST_CASE("what nothing reads of a block's skipped outputs is not filled") {
    for (const Target* target : possible_targets()) {
        for_each_block([&](const ResidualBlock& block) {
            GraphBuilder b(4);
            const std::vector<std::string> names = add_block(b, block);
            const auto plan = checked_plan(b, *target);
            INFO(name_of(block) << "\n" << explain(*plan));
            // Of grain 8 one value may be enough for a map.
            const bool is_whole = plan->gates[0].height * plan->gates[0].width == 1;
            for (const std::string& name : names) {
                const std::size_t fills = steps_of_node(*plan, name, Algorithm::fill).size();
                const bool is_last = name == names.back();
                const bool feeds_pointwise = block.is_bottleneck && name == names[1];
                const bool is_read = is_last || (!is_whole && !feeds_pointwise);
                CHECK((fills > 0) == is_read);
            }
        });
    }
}

TEST_CASE("skipped outputs are filled where something else than the block's layers reads them") {
    const Target& target = *possible_targets().front();
    const auto fills = [&](auto add_reader) {
        GraphBuilder b(4);
        const ValueId x = image(b, 16), other = b.relu(b.conv(x, 1, 3));
        const ValueId gate = b.relu(b.conv(x, 1, 3));
        const ValueId y = b.mul(b.conv(x, 16, 3), gate);
        const std::string name = b.graph.nodes[b.graph.nodes.size() - 2].name;
        b.output(b.mul(b.conv(y, 16, 1), gate));
        add_reader(b, y, gate, other);
        return !steps_of_node(*checked_plan(b, target), name, Algorithm::fill).empty();
    };
    using B = GraphBuilder&;
    CHECK_FALSE(fills([](B, ValueId, ValueId, ValueId) {}));
    CHECK(fills([](B b, ValueId y, ValueId, ValueId) { b.output(y); }));
    CHECK(fills([](B b, ValueId y, ValueId, ValueId) { b.output(b.relu(y)); }));
    CHECK(fills([](B b, ValueId y, ValueId, ValueId) { b.output(b.conv(y, 16, 1)); }));
    CHECK(fills(
        [](B b, ValueId y, ValueId, ValueId other) { b.output(b.mul(b.conv(y, 16, 1), other)); }));
    CHECK(fills(
        [](B b, ValueId y, ValueId gate, ValueId) { b.output(b.mul(b.conv(y, 16, 3), gate)); }));
    CHECK(fills([](B b, ValueId y, ValueId gate, ValueId) {
        b.output(b.add_up(b.mul(b.conv(y, 16, 1), gate), y));
    }));
    CHECK_FALSE(fills(
        [](B b, ValueId y, ValueId gate, ValueId) { b.output(b.mul(b.conv(y, 32, 1), gate)); }));
}

TEST_CASE("one value for a whole map chooses between all of a block and its shortcut") {
    for (const Target* target : possible_targets()) {
        for_each_block([&](const ResidualBlock& block) {
            if (block.grain != whole_map) {
                return;
            }
            GraphBuilder b(4);
            const std::vector<std::string> names = add_block(b, block);
            const auto plan = checked_plan(b, *target);
            INFO(name_of(block) << "\n" << explain(*plan));
            const Steps scans = steps_of(*plan, Algorithm::positions);
            REQUIRE(scans.size() == 1);
            const Buffer counts = call_of<PositionsCall>(*scans[0]).counts;
            int computed = 0;
            for (const Step& step : plan->steps) {
                const bool is_under =
                    std::find(names.begin(), names.end(), step.node) != names.end();
                if (!is_under || &step == scans[0]) {
                    continue;
                }
                const bool clears_lanes = !step.choice;
                CHECK((!clears_lanes || step.kernel->algorithm == Algorithm::copy));
                if (!clears_lanes) {
                    CHECK(is_same(step.choice->chosen, counts));
                    CHECK(step.choice->number == int(step.kernel->algorithm != Algorithm::fill));
                    CHECK((step.list.argument < 0 || step.list.static_count > 0));
                    computed += step.macs > 0;
                }
            }
            CHECK(computed == int(names.size()));
        });
    }
}
