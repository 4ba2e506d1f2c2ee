#include <catch2/catch.hpp>

#include <limits>
#include <set>
#include <tuple>

#include "kernels/layer.h"
#include "plan/winograd_plans.h"

using namespace sluice;
using namespace sluice::plan_test;

namespace {

/// The open outputs of a tile beyond which this target's kernel pays; none: there is no kernel.
double open_to_pay(const Target& target, GateForm gate, int channels, int outputs) {
    const Kernel* kernel = find_conv(Algorithm::winograd_conv, gate, target,
                                     kernel_test::square_layer(3, channels, outputs));
    return kernel ? 16 * kernel->as<WinogradInfo>().break_even
                  : std::numeric_limits<double>::infinity();
}

/// A layer of these channels times a gate of `maps`, each for as many outputs.
GraphBuilder gated_layer(std::int64_t channels, std::int64_t outputs, std::int64_t maps,
                         std::int64_t height = 12, std::int64_t width = 8) {
    GraphBuilder b(7);
    const ValueId x = picture(b, channels, height, width);
    const ValueId gate = b.relu(b.conv(x, maps, 1)), y = b.conv(x, outputs, 3);
    if (maps == 1 || maps == outputs) {
        b.output(b.mul(y, gate));
        return b;
    }
    const Shape split = {1, maps, outputs / maps, height, width};
    const ValueId wide =
        b.node(Op::unsqueeze, {gate, b.integers({2})}, {1, maps, 1, height, width});
    const ValueId parts = b.node(Op::reshape, {y, b.integers(split)}, split);
    const Shape whole = {1, outputs, height, width};
    b.output(b.node(Op::reshape, {b.mul(parts, wide), b.integers(whole)}, whole));
    return b;
}

/// The lists, the counts and the choice of one gate map: tiles or positions, never both. `fills`
/// begins with the closed tiles' and the closed positions'.
void check_choice(const Step& tiles, const Step& winograd, const Step& direct,
                  const Step* const* fills) {
    const Buffer &counts = buffer(tiles, 8), &open = buffer(tiles, 1);
    CHECK(std::get<float>(tiles.arguments[5]) ==
          float(16 * winograd.kernel->as<WinogradInfo>().break_even));
    // The second of the two counts says whether the tiles pay.
    REQUIRE(winograd.condition);
    REQUIRE(direct.condition);
    Buffer pays = counts;
    pays.offset += 1;
    CHECK(is_same(winograd.condition->count, pays));
    CHECK(is_same(direct.condition->count, pays));
    CHECK(winograd.condition->limit == 0);
    CHECK(direct.condition->limit == 0);
    CHECK(winograd.condition->above);
    CHECK(!direct.condition->above);

    CHECK(is_same(buffer(winograd, 1), buffer(tiles, 6)));
    CHECK(is_same(winograd.list.count, counts));
    CHECK(is_same(direct.list.count, open));
    REQUIRE(winograd.list.outputs);
    CHECK(is_same(*winograd.list.outputs, open));
    CHECK(winograd.macs_per_entry == direct.macs_per_entry);
    CHECK(winograd.macs_per_entry > 0);

    // Tiles that overlap write outputs of closed ones, so that those are filled first.
    const Step &closed_tiles = *fills[0], &closed_positions = *fills[1];
    Buffer closed_count = counts;
    closed_count.offset += 2;
    CHECK(is_same(closed_tiles.list.count, closed_count));
    CHECK(is_same(buffer(closed_tiles, 0), buffer(tiles, 7)));
    CHECK(std::get<std::int32_t>(closed_tiles.arguments[3]) == 4);
    CHECK(std::get<std::int32_t>(closed_positions.arguments[3]) == 1);
    for (const Step* fill : {&closed_tiles, &closed_positions}) {
        REQUIRE(fill->condition);
        CHECK(is_same(fill->condition->count, pays));
        CHECK(fill->condition->limit == 0);
        CHECK(fill->condition->above == (fill == &closed_tiles));
    }
    CHECK(!tiles.condition);
    CHECK(&tiles < &closed_tiles);
    CHECK(&closed_tiles < &winograd);
}

}  // namespace

TEST_CASE("a dense layer is computed by Winograd where its tiles pay") {
    std::set<bool> seen;
    for (const Target* target : possible_targets()) {
        for (int channels : {16, 32, 64, 128}) {
            for (const auto& [height, width] : {std::pair{4, 4}, {8, 12}, {9, 7}, {5, 5}, {5, 9}}) {
                INFO(target->id << ", " << channels << " channels, " << width << "x" << height);
                GraphBuilder b(3);
                b.output(b.conv(picture(b, channels, height, width), channels, 3));
                const auto plan = checked_plan(b, *target);
                const int tiles = (height + 3) / 4 * ((width + 3) / 4);
                const bool pays = height * width >
                                  tiles * open_to_pay(*target, GateForm::none, channels, channels);
                CHECK(winograd_steps(*plan) == (pays ? 1 : 0));
                const Steps steps = steps_of(*plan, Algorithm::winograd_conv, GateForm::none);
                REQUIRE(steps.size() == (pays ? 1 : 0));
                if (pays) {
                    CHECK(steps[0]->kernel->as<WinogradInfo>().channels == channels);
                    CHECK(steps[0]->list.static_count == tiles);
                    CHECK(steps[0]->macs == 9LL * channels * channels * height * width);
                    CHECK(!steps[0]->condition);
                }
                seen.insert(pays);
            }
        }
    }
    CHECK(seen.count(true) == 1);
}

TEST_CASE("layers that no Winograd kernel computes, or that lie on less than a tile, stay direct") {
    const auto conv = [](std::int64_t channels, const Shape& kernel, const Shape& stride,
                         const Shape& size) {
        GraphBuilder b(3);
        const ValueId x = picture(b, channels, size[0], size[1]);
        const Shape pads = {kernel[0] / 2, kernel[1] / 2, kernel[0] / 2, kernel[1] / 2};
        Shape y = {1, 16};
        for (std::size_t i = 0; i < 2; ++i) {
            y.push_back((size[i] - 1) / stride[i] + 1);
        }
        b.output(b.node(Op::conv, {x, b.constant({16, channels, kernel[0], kernel[1]})}, y,
                        {{"pads", pads}, {"strides", stride}}));
        return b;
    };
    const Shape one = {1, 1}, three = {3, 3}, eight = {8, 8};
    for (const Target* target : possible_targets()) {
        INFO(target->id);
        // The layer that all others differ from in one thing.
        REQUIRE(winograd_steps(*checked_plan(conv(16, three, one, eight), *target)) == 1);
        for (const GraphBuilder& b :
             // The last outputs' phases would reach beyond the padding.
             {conv(16, three, {2, 2}, {15, 16}), conv(16, three, {2, 2}, {16, 15}),
              conv(16, three, {1, 2}, {8, 16}), conv(16, one, one, eight),
              conv(16, {5, 5}, one, eight), conv(16, {3, 1}, one, eight),
              conv(16, {1, 3}, one, eight), conv(16, three, one, {3, 8}),
              conv(16, three, one, {8, 3}), conv(48, three, one, eight)}) {
            const auto plan = checked_plan(b, *target);
            INFO(explain(*plan));
            CHECK(winograd_steps(*plan) == 0);
            CHECK(steps_of(*plan, Algorithm::gated_conv, GateForm::none).size() == 2);
        }
        CHECK(winograd_steps(*checked_plan(conv(16, three, one, {4, 4}), *target)) == 1);
    }
}

TEST_CASE("threads share out a list of tiles, or channel blocks where two tiles write one output") {
    for (const Target* target : possible_targets()) {
        for (const auto& [height, width] : {std::pair{12, 8}, {11, 8}, {12, 7}, {11, 7}}) {
            INFO(target->id << ", " << width << "x" << height);
            const auto plan = checked_plan(gated_layer(16, 32, 1, height, width), *target);
            const Steps steps = steps_of(*plan, Algorithm::winograd_conv, GateForm::position);
            REQUIRE(steps.size() == 1);
            const bool overlaps = height % 4 != 0 || width % 4 != 0;
            const int block = steps[0]->kernel->block();
            CHECK(steps[0]->split.count == (overlaps ? 32 / block : 1));
            // Weights, epilogue, residual and output.
            std::set<int> shared;
            for (const Split::Along& along : steps[0]->split.along) {
                shared.insert(along.argument);
                CHECK(along.elements == (along.argument == 2 ? 1 : block));
            }
            CHECK(shared == (overlaps ? std::set{2, 3, 5, 9} : std::set<int>{}));
        }
    }
}

// 16 x 7 outputs are 4 x 2 tiles of 4 x 4, the last of a row over the one before it; 15 x 8 have
// the last two rows overlap, and of 11 x 8 the last two of three.
TEST_CASE("threads take all of a layer's tiles by the rows that do not overlap") {
    const std::tuple<int, int, int> cases[] = {{16, 7, 2}, {15, 8, 4}, {15, 7, 4}, {11, 8, 6}};
    for (const Target* target : possible_targets()) {
        for (const auto& [height, width, unit] : cases) {
            GraphBuilder b(3);
            b.output(b.conv(picture(b, 16, height, width), 32, 3));
            for (const GateForm gate : {GateForm::none, GateForm::element}) {
                const bool dense = gate == GateForm::none;
                const auto plan =
                    checked_plan(dense ? b : gated_layer(16, 32, 32, height, width), *target);
                INFO(target->id << ": " << explain(*plan));
                const Steps steps = steps_of(*plan, Algorithm::winograd_conv, gate);
                REQUIRE(steps.size() == 1);
                CHECK(steps[0]->split.count == 1);
                CHECK(steps[0]->split.along.empty());
                CHECK(steps[0]->list.tile == unit);
            }
        }
    }
}

TEST_CASE("channels that fill a kernel's pitch with spare lanes are computed by it") {
    for (const Target* target : possible_targets()) {
        GraphBuilder b(3);
        b.output(b.conv(picture(b, 15, 8, 8), 14, 3));
        INFO(target->id);
        CHECK(
            steps_of(*checked_plan(b, *target), Algorithm::winograd_conv, GateForm::none).size() ==
            1);
    }
}

// Winograd's kernels have one clamp, behind everything else.
TEST_CASE(
    "a clamp before the gate is Winograd's where it may follow it, else the layer is direct") {
    for (const Target* target : possible_targets()) {
        INFO(target->id);
        const auto steps = [&](bool gated, float high, bool residual) {
            GraphBuilder b(3);
            const ValueId x = picture(b, 16);
            ValueId y = b.clip(b.conv(x, 16, 3), 0, high);
            y = gated ? b.mul(y, b.relu(b.conv(x, 1, 1))) : y;
            b.output(residual ? b.add_up(y, x) : y);
            const auto plan = checked_plan(b, *target);
            const std::size_t count = winograd_steps(*plan);
            CHECK((count == 0) ==
                  (explain(*plan).find("a clamp stands before") != std::string::npos));
            return count;
        };
        const float infinity = std::numeric_limits<float>::infinity();
        CHECK(steps(false, infinity, false) == 1);
        CHECK(steps(false, 6, false) == 1);
        CHECK(steps(true, infinity, false) == 2);
        // min(y, 6) g is not min(y g, 6).
        CHECK(steps(true, 6, false) == 0);
        // relu(y) + x is not relu(y + x).
        CHECK(steps(false, infinity, true) == 0);
        CHECK(steps(true, infinity, true) == 0);
    }
}

TEST_CASE("a plan without Winograd has none of its steps") {
    for (const Target* target : possible_targets()) {
        for (const std::int64_t maps : {1, 2, 64}) {
            const GraphBuilder b = gated_layer(32, 64, maps);
            INFO(target->id << ", " << maps << " maps");
            const auto with = checked_plan(b, *target), without = checked_plan(b, *target, {false});
            CHECK(winograd_steps(*with) > 0);
            CHECK(winograd_steps(*without) == 0);
            CHECK(with->macs == without->macs);
            CHECK(with->branch_macs == without->branch_macs);
            for (const Step& step : without->steps) {
                const bool chooses = step.kernel->algorithm == Algorithm::gated_conv &&
                                     step.kernel->gate == GateForm::position;
                CHECK((!chooses || !step.condition));
            }
        }
    }
}

TEST_CASE("a position gate's run computes tiles where they pay, else positions") {
    for (const Target* target : possible_targets()) {
        const auto plan = checked_plan(gated_layer(16, 32, 1), *target);
        INFO(explain(*plan));
        const Steps tiles = steps_of(*plan, Algorithm::tiles);
        const Steps winograd = steps_of(*plan, Algorithm::winograd_conv, GateForm::position);
        const Steps direct = steps_of(*plan, Algorithm::gated_conv, GateForm::position),
                    fill = steps_of(*plan, Algorithm::fill);
        REQUIRE(tiles.size() == 1);
        REQUIRE(winograd.size() == 1);
        REQUIRE(direct.size() == 1);
        REQUIRE(fill.size() == 2);
        check_choice(*tiles[0], *winograd[0], *direct[0], &fill[0]);
        CHECK(direct[0]->macs_per_entry == 32 * 16 * 9);
        // The masks that the scan of positions wrote, and its count.
        const Steps positions = steps_of(*plan, Algorithm::positions);
        REQUIRE(positions.size() == 1);
        CHECK(is_same(buffer(*tiles[0], 0), buffer(*positions[0], 4)));
        CHECK(is_same(buffer(*tiles[0], 1), buffer(*positions[0], 3)));
        CHECK(std::get<std::int32_t>(tiles[0]->arguments[3]) == 8);
        CHECK(std::get<std::int32_t>(tiles[0]->arguments[4]) == 12);
        for (std::size_t list : {6, 7, 9}) {
            CHECK(buffer(*tiles[0], list).axes[0].extent >= 3 * 2 + 1);
        }
        REQUIRE(plan->gates.size() == 1);
        CHECK(plan->gates[0].skips);
    }
}

TEST_CASE("positions and tiles of 2x2 read weights in one piece where their blocks are equal") {
    constexpr int channels = 512, taps = 9, points = 16;
    for (const Target* target : possible_targets()) {
        const auto plan = checked_plan(gated_layer(channels, channels, 1), *target);
        INFO(explain(*plan));
        const Steps winograd = steps_of(*plan, Algorithm::winograd_conv, GateForm::position);
        const Steps direct = steps_of(*plan, Algorithm::gated_conv, GateForm::position);
        REQUIRE(winograd.size() == 1);
        REQUIRE(direct.size() == 1);
        REQUIRE(winograd[0]->kernel->as<WinogradInfo>().side == 2);
        const int block = direct[0]->kernel->block();
        const bool shares = winograd[0]->kernel->block() == block;
        const Buffer &direct_weights = buffer(*direct[0], 2), &matrices = buffer(*winograd[0], 2);
        CHECK(is_same(direct_weights, matrices) == shares);
        CHECK(is_same(buffer(*direct[0], 3), buffer(*winograd[0], 3)) == shares);
        // Four of the points are taps.
        const int all = shares ? taps + points - 4 : points;
        CHECK(matrices.axes[2].extent == all);
        CHECK(direct_weights.axes[3].stride == (shares ? all : taps) * channels * block);
        // What a run reads.
        CHECK(direct[0]->packed_bytes == 4 * taps * channels * channels);
        CHECK(winograd[0]->packed_bytes == 4 * points * channels * channels);
    }
}

TEST_CASE("a position gate on a map whose tiles never pay is computed by positions alone") {
    for (const Target* target : possible_targets()) {
        INFO(target->id);
        for (const auto& [height, width] : {std::pair{3, 9}, {9, 3}}) {
            const auto plan = checked_plan(gated_layer(16, 16, 1, height, width), *target);
            CHECK(winograd_steps(*plan) == 0);
            const Steps direct = steps_of(*plan, Algorithm::gated_conv, GateForm::position);
            REQUIRE(direct.size() == 1);
            CHECK(!direct[0]->condition);
        }
        // 25 outputs lie in 4 tiles.
        const auto plan = checked_plan(gated_layer(16, 16, 1, 5, 5), *target);
        const bool pays = 25 > 4 * open_to_pay(*target, GateForm::position, 16, 16);
        CHECK(steps_of(*plan, Algorithm::winograd_conv, GateForm::position).size() ==
              (pays ? 1 : 0));
    }
}

TEST_CASE("each map of a group gate has its own tiles and its own choice") {
    for (const Target* target : possible_targets()) {
        const auto plan = checked_plan(gated_layer(16, 64, 2), *target);
        INFO(explain(*plan));
        const Steps tiles = steps_of(*plan, Algorithm::tiles);
        const Steps winograd = steps_of(*plan, Algorithm::winograd_conv, GateForm::position);
        const Steps direct = steps_of(*plan, Algorithm::gated_conv, GateForm::position),
                    fill = steps_of(*plan, Algorithm::fill);
        REQUIRE(tiles.size() == 2);
        REQUIRE(winograd.size() == 2);
        REQUIRE(direct.size() == 2);
        REQUIRE(fill.size() == 4);
        for (std::size_t i = 0; i < 2; ++i) {
            check_choice(*tiles[i], *winograd[i], *direct[i], &fill[2 * i]);
            CHECK(direct[i]->macs_per_entry == 32 * 16 * 9);
            // Their own maps, weights, rows and outputs.
            const std::int64_t blocks = 32 / winograd[i]->kernel->block();
            CHECK(buffer(*winograd[i], 2).axes[3].extent == blocks);
            CHECK(buffer(*winograd[i], 9).axes[0].extent == 32);
        }
        CHECK(!is_same(*winograd[0]->list.outputs, *winograd[1]->list.outputs));
        for (std::size_t argument : {4, 9}) {
            const std::int64_t step = argument == 4 ? 1 : 32;
            CHECK(buffer(*winograd[1], argument).offset - buffer(*winograd[0], argument).offset ==
                  step);
        }
        CHECK(buffer(*winograd[1], 2).offset - buffer(*winograd[0], 2).offset == 32 * 16 * 36);
        CHECK(buffer(*winograd[1], 3).offset - buffer(*winograd[0], 3).offset == 32);
    }
}

TEST_CASE("layers that obey one gate share its tiles where they break even alike") {
    for (const Target* target : possible_targets()) {
        GraphBuilder b(5);
        const ValueId x = picture(b, 16), gate = b.relu(b.conv(x, 1, 1));
        for (int i = 0; i < 2; ++i) {
            b.output(b.mul(b.conv(x, 16, 3), gate));
        }
        const auto plan = checked_plan(b, *target);
        INFO(explain(*plan));
        CHECK(steps_of(*plan, Algorithm::positions).size() == 1);
        CHECK(steps_of(*plan, Algorithm::tiles).size() == 1);
        const Steps winograd = steps_of(*plan, Algorithm::winograd_conv, GateForm::position);
        REQUIRE(winograd.size() == 2);
        CHECK(is_same(buffer(*winograd[0], 1), buffer(*winograd[1], 1)));
    }
}

TEST_CASE(
    "an element gate is multiplied by Winograd where too many gates are open for dot products") {
    for (const Target* target : possible_targets()) {
        const auto plan = checked_plan(gated_layer(16, 16, 16), *target);
        INFO(explain(*plan));
        const Steps dots = steps_of(*plan, Algorithm::dot_conv);
        const Steps winograd = steps_of(*plan, Algorithm::winograd_conv, GateForm::element);
        REQUIRE(dots.size() == 1);
        REQUIRE(winograd.size() == 1);
        CHECK(steps_of(*plan, Algorithm::gated_conv, GateForm::element).empty());
        CHECK(steps_of(*plan, Algorithm::tiles).empty());
        REQUIRE(dots[0]->condition);
        REQUIRE(winograd[0]->condition);
        CHECK(is_same(dots[0]->condition->count, winograd[0]->condition->count));
        // Dot products cost what they do, and the dense product a break-even's share of the direct
        // one.
        const double share = dots[0]->kernel->as<DotInfo>().break_even *
                             winograd[0]->kernel->as<WinogradInfo>().break_even;
        CHECK(dots[0]->condition->limit == std::int64_t(16 * 12 * 8 * share));
        CHECK(winograd[0]->condition->limit == dots[0]->condition->limit);
        CHECK(!dots[0]->condition->above);
        CHECK(winograd[0]->condition->above);
        CHECK(winograd[0]->list.static_count == 3 * 2);
        CHECK(winograd[0]->macs == 9LL * 16 * 16 * 12 * 8);
    }
}
