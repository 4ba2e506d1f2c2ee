#include "optimised.h"

using namespace sluice;

/// What one value of a gate governs: squares of outputs, or the whole map.
namespace {

/// conv(x) times a map of a coarser one, enlarged to `wide` and cut to the extents of x.
GraphBuilder enlarged_gate(const Shape& x_shape, const Shape& coarse, const Shape& wide,
                           const std::string& mode, const std::string& place,
                           const std::string& rounding, std::int64_t first_row = 0) {
    GraphBuilder b(5);
    const ValueId x = b.input(x_shape);
    const ValueId map = b.clip(b.conv(b.input({2, 3, coarse[0], coarse[1]}), 1, 1), 0, 1);
    ValueId gate = b.node(
        Op::resize, {map}, {2, 1, wide[0], wide[1]},
        {{"mode", mode}, {"coordinate_transformation_mode", place}, {"nearest_mode", rounding}});
    if (Shape{x_shape[2], x_shape[3]} != wide) {
        gate = b.node(Op::slice,
                      {gate, b.integers({first_row, 0}),
                       b.integers({first_row + x_shape[2], x_shape[3]}), b.integers({2, 3})},
                      {2, 1, x_shape[2], x_shape[3]});
    }
    b.output(b.mul(b.conv(x, 6, 3), gate));
    return b;
}

std::int64_t grid_of(GraphBuilder b) {
    const Graph graph = optimised(b);
    const auto convs = nodes_of(graph, Op::fused_conv);
    REQUIRE(convs.size() == 2);
    CHECK(convs[1]->fused_conv->gate == GateForm::position);
    const bool is_folded = convs[1]->inputs[1] == convs[0]->outputs[0];
    CHECK(is_folded == (convs[1]->fused_conv->gate_grid > 1));
    CHECK(is_folded == nodes_of(graph, Op::resize).empty());
    return convs[1]->fused_conv->gate_grid;
}

}  // namespace

TEST_CASE("a gate whose values are enlarged becomes a gate for squares of outputs") {
    CHECK(grid_of(enlarged_gate({2, 3, 8, 12}, {2, 3}, {8, 12}, "nearest", "asymmetric",
                                "floor")) == 4);
    CHECK(grid_of(enlarged_gate({2, 3, 4, 8}, {1, 2}, {4, 8}, "nearest", "half_pixel",
                                "round_prefer_floor")) == 4);
    CHECK(grid_of(enlarged_gate({2, 3, 7, 9}, {2, 3}, {8, 12}, "nearest", "asymmetric", "floor")) ==
          4);
    CHECK(grid_of(enlarged_gate({2, 3, 8, 8}, {4, 4}, {8, 8}, "nearest", "asymmetric", "floor")) ==
          2);
    CHECK(grid_of(enlarged_gate({2, 3, 7, 6}, {3, 2}, {9, 6}, "nearest", "half_pixel",
                                "round_prefer_floor")) == 3);
    // One value for the whole map, of any extents.
    CHECK(grid_of(enlarged_gate({2, 3, 7, 9}, {1, 1}, {7, 9}, "nearest", "asymmetric", "floor")) ==
          9);
    CHECK(grid_of(enlarged_gate({2, 3, 5, 3}, {1, 1}, {8, 8}, "nearest", "asymmetric", "floor")) ==
          8);
}

TEST_CASE("a gate that is enlarged otherwise, or cut elsewhere, stays as it is") {
    const Shape x = {2, 3, 8, 8};
    CHECK(grid_of(enlarged_gate(x, {2, 4}, {8, 8}, "nearest", "asymmetric", "floor")) == 1);
    CHECK(grid_of(enlarged_gate(x, {2, 2}, {8, 8}, "nearest", "asymmetric", "ceil")) == 1);
    CHECK(grid_of(enlarged_gate(x, {2, 2}, {8, 8}, "linear", "asymmetric", "floor")) == 1);
    CHECK(grid_of(enlarged_gate(x, {3, 3}, {8, 8}, "nearest", "asymmetric", "floor")) == 1);
    CHECK(grid_of(enlarged_gate(x, {1, 1}, {8, 8}, "linear", "asymmetric", "floor")) == 1);
    // A row of gates too many, and one cut off in front.
    CHECK(grid_of(enlarged_gate({2, 3, 4, 8}, {2, 2}, {8, 8}, "nearest", "asymmetric", "floor")) ==
          1);
    CHECK(grid_of(enlarged_gate({2, 3, 7, 8}, {2, 2}, {8, 8}, "nearest", "asymmetric", "floor",
                                1)) == 1);
}

namespace {

/// Of a mask [N, 1, 1, 1], the product with conv(x) [N, 6, 7, 5] as `repeat` writes it.
template <typename Repeat>
Graph with_one_value(Repeat repeat) {
    GraphBuilder b(1);
    const ValueId x = b.input({2, 3, 7, 5});
    const ValueId mean = b.node(Op::global_average_pool, {x}, {2, 3, 1, 1});
    const ValueId mask = b.clip(b.conv(mean, 1, 1), 0, 1);
    b.output(b.mul(b.relu(b.conv(x, 6, 3)), repeat(b, mask)));
    return optimised(b);
}

}  // namespace

TEST_CASE("one value for a whole map is a gate, however a file repeats it") {
    const auto expand = [](GraphBuilder& b, ValueId mask, const Shape& to) {
        return b.node(Op::expand, {mask, b.integers(to)}, to);
    };
    const Graph graphs[] = {with_one_value([](GraphBuilder&, ValueId mask) { return mask; }),
                            with_one_value([&](GraphBuilder& b, ValueId mask) {
                                return expand(b, mask, {2, 1, 7, 5});
                            }),
                            with_one_value([&](GraphBuilder& b, ValueId mask) {
                                return expand(b, mask, {2, 6, 7, 5});
                            }),
                            with_one_value([&](GraphBuilder& b, ValueId mask) {
                                return expand(b, expand(b, mask, {2, 1, 7, 5}), {2, 6, 7, 5});
                            })};
    for (const Graph& graph : graphs) {
        REQUIRE(graph.nodes.size() == 3);
        const FusedConv& conv = *graph.nodes[2].fused_conv;
        CHECK(conv.gate == GateForm::position);
        CHECK(conv.gate_grid == 7);
        CHECK(graph.nodes[2].inputs[1] == graph.nodes[1].outputs[0]);
        CHECK(graph.nodes[1].fused_conv->is_branch);
    }
}

TEST_CASE("a map that is expanded over the channels is a gate per position") {
    GraphBuilder b(GENERATE(1U, 2U));
    const ValueId x = b.input({2, 3, 7, 5});
    const ValueId mask = b.clip(b.conv(x, 1, 3), 0, 1);
    const Shape wide = {2, 6, 7, 5};
    b.output(b.mul(b.conv(x, 6, 3), b.node(Op::expand, {mask, b.integers(wide)}, wide)));
    const Graph graph = optimised(b);
    REQUIRE(graph.nodes.size() == 2);
    CHECK(graph.nodes[1].fused_conv->gate == GateForm::position);
    CHECK(graph.nodes[1].fused_conv->gate_grid == 1);
}

TEST_CASE("what an Expand repeats along one extent alone, or over the images, stays") {
    const auto products_left = [](const Shape& mask, const Shape& wide) {
        GraphBuilder b(3);
        const ValueId x = b.input({2, 3, 7, 5});
        const ValueId gate = b.clip(b.conv(b.input({mask[0], 3, mask[2], mask[3]}), 1, 1), 0, 1);
        const ValueId repeated = b.node(Op::expand, {gate, b.integers(wide)}, wide);
        b.output(b.mul(b.conv(x, 6, 3), repeated));
        return nodes_of(optimised(b), Op::expand).size();
    };
    CHECK(products_left({2, 1, 1, 5}, {2, 1, 7, 5}) == 1);
    CHECK(products_left({2, 1, 7, 1}, {2, 1, 7, 5}) == 1);
    CHECK(products_left({1, 1, 1, 1}, {2, 1, 7, 5}) == 1);
    CHECK(products_left({2, 1, 1, 1}, {2, 1, 7, 5}) == 0);
}

TEST_CASE("all convolutions of a block obey its one map, before its stride a larger part of them") {
    GraphBuilder b(GENERATE(1U, 2U));
    const bool is_cut = GENERATE(false, true);
    const std::int64_t side = is_cut ? 14 : 16, half = side / 2;
    const ValueId x = b.relu(b.input({1, 4, side, side}));
    const ValueId pooled = b.node(
        Op::max_pool, {x}, {1, 4, 2, 2},
        {{"kernel_shape", Shape{8, 8}}, {"strides", Shape{8, 8}}, {"ceil_mode", std::int64_t{1}}});
    const ValueId small = b.clip(b.conv(pooled, 1, 3), 0, 1);
    const auto enlarged = [&](ValueId map, std::int64_t to, std::int64_t cut) {
        const ValueId wide = b.node(Op::resize, {map}, {1, 1, to, to},
                                    {{"coordinate_transformation_mode", std::string("asymmetric")},
                                     {"nearest_mode", std::string("floor")}});
        return to == cut
                   ? wide
                   : b.node(Op::slice,
                            {wide, b.integers({0, 0}), b.integers({cut, cut}), b.integers({2, 3})},
                            {1, 1, cut, cut});
    };
    const ValueId mask = enlarged(small, 8, half), before = enlarged(mask, side, side);
    ValueId y = b.mul(b.relu(b.conv(x, 4, 1)), before);
    y = b.node(Op::conv, {y, b.constant({4, 4, 3, 3})}, {1, 4, half, half},
               {{"pads", Shape{1, 1, 1, 1}}, {"strides", Shape{2, 2}}});
    y = b.conv(b.mul(b.relu(y), mask), 8, 1);
    const ValueId shortcut = b.node(Op::conv, {x, b.constant({8, 4, 1, 1})}, {1, 8, half, half},
                                    {{"strides", Shape{2, 2}}});
    b.output(b.relu(b.add_up(b.mul(y, mask), shortcut)));
    const Graph graph = optimised(b);
    CHECK(nodes_of(graph, Op::resize).empty());
    CHECK(nodes_of(graph, Op::mul).empty());
    CHECK(nodes_of(graph, Op::add).empty());
    std::vector<std::int64_t> grids;
    for (const Node* conv : nodes_of(graph, Op::fused_conv)) {
        if (conv->inputs[1] != no_value) {
            CHECK(graph.producer(conv->inputs[1])->fused_conv->is_branch);
            grids.push_back(conv->fused_conv->gate_grid);
        }
    }
    CHECK(grids == std::vector<std::int64_t>{8, 4, 4});
    CHECK(graph.nodes.back().inputs[2] != no_value);  // the projection is its residual
}
