#include <catch2/catch.hpp>

#include <limits>
#include <set>
#include <tuple>

#include "kernels/layer.h"
#include "plan/winograd_plans.h"

using namespace sluice;
using namespace sluice::plan_test;

namespace {

/// The active outputs of a tile beyond which this target's kernel pays; none: there is no kernel.
double active_to_pay(const Target& target, GateForm gate, int channels, int outputs) {
    const Kernel* kernel = find_conv(Algorithm::winograd_conv, gate, target,
                                     kernel_test::square_layer(3, channels, outputs));
    return kernel ? 16 * kernel->as<WinogradInfo>().break_even
                  : std::numeric_limits<double>::infinity();
}

/// A layer of these channels times a gate of `maps`, each for as many outputs.
GraphBuilder gated_layer(std::int64_t channels, std::int64_t outputs, std::int64_t maps,
                         std::int64_t height = 12, std::int64_t width = 8) {
    GraphBuilder b(7);
    const ValueId x = image(b, channels, height, width);
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

/// The lists, the counts and the choice of one gate map: the direct way over its positions, or
/// Winograd's over its tiles. Each step fills first what its way skips.
void check_choice(const Step& tiles, const Step& select, const Step& winograd, const Step& direct,
                  const Step* const* fills) {
    const auto lists = call_of<TilesCall>(tiles);
    const auto costs = call_of<SelectWayCall>(select);
    const Buffer& positions = direct.list.count;
    CHECK(is_same(costs.first_count, positions));
    CHECK(is_same(costs.second_count, lists.counts));
    CHECK(costs.first_rate == 1);
    CHECK(costs.second_rate == float(16 * winograd.kernel->as<WinogradInfo>().break_even));
    CHECK(costs.first_fixed == 0);
    CHECK(costs.second_fixed == 0);
    CHECK(costs.third_fixed == std::numeric_limits<float>::infinity());
    for (const Step* step : {&winograd, &direct}) {
        REQUIRE(step->choice);
        CHECK(is_same(step->choice->chosen, costs.chosen));
        CHECK(step->choice->number == (step == &winograd ? 1 : 0));
    }
    CHECK(is_same(call_of<WinogradConvCall>(winograd).tiles, lists.active));
    CHECK(is_same(winograd.list.count, lists.counts));
    REQUIRE(winograd.list.outputs);
    CHECK(is_same(*winograd.list.outputs, positions));
    CHECK(winograd.macs_per_entry == direct.macs_per_entry);
    CHECK(winograd.macs_per_entry > 0);

    const Step &skipped_positions = *fills[0], &skipped_tiles = *fills[1];
    Buffer skipped_count = lists.counts;
    skipped_count.offset += 1;
    CHECK(is_same(skipped_tiles.list.count, skipped_count));
    CHECK(is_same(call_of<FillCall>(skipped_tiles).positions, lists.skipped));
    CHECK(call_of<FillCall>(skipped_tiles).side == 4);
    CHECK(call_of<FillCall>(skipped_positions).side == 1);
    CHECK(chooses_as(skipped_tiles, winograd));
    CHECK(skipped_tiles.choice->number == winograd.choice->number);
    CHECK(chooses_as(skipped_positions, direct));
    CHECK(skipped_positions.choice->number == direct.choice->number);
    CHECK(!tiles.choice);
    CHECK(&tiles < &select);
    // Tiles that overlap write outputs of skipped ones, so that those are filled first.
    CHECK(&skipped_tiles < &winograd);
}

}  // namespace

TEST_CASE("a dense layer is computed by Winograd where its tiles pay") {
    // 128 channels have 36 matrices of 64 KiB, more than the L2 cache is sure to hold; each weight
    // beyond the direct kernel's nine takes as long as four products, so all of them as 12 outputs,
    // and as 48 where a network has so many that they come from memory.
    constexpr int weights_beyond = 36 - 9, taps = 9;
    std::set<bool> seen;
    for (const Target* target : possible_targets()) {
        for (int channels : {16, 32, 48, 64, 128}) {
            for (const auto& [height, width, stored_elements] : {std::tuple{4, 4, 0},
                                                                 {8, 12, 0},
                                                                 {8, 12, 9 << 20},
                                                                 {9, 7, 0},
                                                                 {5, 5, 0},
                                                                 {5, 9, 0}}) {
                INFO(target->id << ", " << channels << " channels, " << width << "x" << height
                                << ", " << stored_elements << " weights");
                GraphBuilder b(3);
                b.graph.stored_elements = stored_elements;
                const int far_weights = (stored_elements > 0 ? 16 : 4) * weights_beyond / taps;
                b.output(b.conv(image(b, channels, height, width), channels, 3));
                const auto plan = checked_plan(b, *target);
                const int tiles = (height + 3) / 4 * ((width + 3) / 4);
                const bool pays = height * width > tiles * active_to_pay(*target, GateForm::none,
                                                                         channels, channels) +
                                                       (channels == 128 ? far_weights : 0);
                CHECK(winograd_steps(*plan) == (pays ? 1 : 0));
                const Steps steps = steps_of(*plan, Algorithm::winograd_conv, GateForm::none);
                REQUIRE(steps.size() == (pays ? 1 : 0));
                if (pays) {
                    const int own = steps[0]->kernel->as<WinogradInfo>().channels;
                    CHECK((own == 0 || own == channels));
                    CHECK(call_of<WinogradConvCall>(*steps[0]).channel_stride == channels);
                    CHECK(call_of<WinogradConvCall>(*steps[0]).weights.axes[1].extent == channels);
                    CHECK(steps[0]->list.static_count == tiles);
                    CHECK(steps[0]->macs == 9LL * channels * channels * height * width);
                    CHECK(!steps[0]->choice);
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
        const ValueId x = image(b, channels, size[0], size[1]);
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
              conv(16, three, one, {8, 3}), conv(528, three, one, eight)}) {
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
            const int block = steps[0]->kernel->block(), lanes = steps[0]->kernel->lanes;
            CHECK(steps[0]->split.count == (overlaps ? 32 / block : 1));
            using Call = WinogradConvCall<Buffer>;
            const int weights = index_of(&Call::weights);
            std::set<int> shared;
            for (const Split::Along& along : steps[0]->split.along) {
                shared.insert(along.argument);
                CHECK(along.elements == (along.argument == weights ? block / lanes : block));
            }
            CHECK(shared == (overlaps ? std::set{weights, index_of(&Call::epilogue),
                                                 index_of(&Call::residual), index_of(&Call::output)}
                                      : std::set<int>{}));
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
            b.output(b.conv(image(b, 16, height, width), 32, 3));
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

TEST_CASE("channels that fill a kernel's channel_stride with spare lanes are computed by it") {
    for (const Target* target : possible_targets()) {
        GraphBuilder b(3);
        b.output(b.conv(image(b, 15, 8, 8), 14, 3));
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
            const ValueId x = image(b, 16);
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
                CHECK((!chooses || !step.choice));
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
        const Steps select = steps_of(*plan, Algorithm::select_way);
        REQUIRE(select.size() == 1);
        check_choice(*tiles[0], *select[0], *winograd[0], *direct[0], &fill[0]);
        CHECK(direct[0]->macs_per_entry == 32 * 16 * 9);
        // The masks that the scan of positions wrote, and its count.
        const Steps positions = steps_of(*plan, Algorithm::positions);
        REQUIRE(positions.size() == 1);
        const auto scan = call_of<PositionsCall>(*positions[0]);
        const auto lists = call_of<TilesCall>(*tiles[0]);
        CHECK(is_same(lists.masks, scan.groups));
        CHECK(is_same(direct[0]->list.count, scan.counts));
        CHECK(lists.width == 8);
        CHECK(lists.height == 12);
        for (const Buffer& list : {lists.active, lists.skipped, lists.before}) {
            CHECK(list.axes[0].extent >= 3 * 2 + 1);
        }
        REQUIRE(plan->gates.size() == 1);
        CHECK(plan->gates[0].skips);
    }
}

TEST_CASE("positions and tiles of 2x2 read weights in one piece") {
    constexpr int channels = 512, taps = 9, points = 16;
    for (const Target* target : possible_targets()) {
        const auto plan = checked_plan(gated_layer(channels, channels, 1), *target);
        INFO(explain(*plan));
        const Steps winograd = steps_of(*plan, Algorithm::winograd_conv, GateForm::position);
        const Steps direct = steps_of(*plan, Algorithm::gated_conv, GateForm::position);
        REQUIRE(winograd.size() == 1);
        REQUIRE(direct.size() == 1);
        REQUIRE(winograd[0]->kernel->as<WinogradInfo>().side == 2);
        const int lanes = direct[0]->kernel->lanes;
        const auto direct_call = call_of<GatedConvCall>(*direct[0]);
        const auto winograd_call = call_of<WinogradConvCall>(*winograd[0]);
        const Buffer &direct_weights = direct_call.weights, &matrices = winograd_call.weights;
        CHECK(is_same(direct_weights, matrices));
        CHECK(is_same(direct_call.epilogue, winograd_call.epilogue));
        // Four of the points are taps.
        const int all = taps + points - 4;
        CHECK(matrices.axes[2].extent == all);
        CHECK(direct_weights.axes[4].stride == all * channels * lanes);
        // What a run reads.
        CHECK(direct[0]->packed_bytes == 4 * taps * channels * channels);
        CHECK(winograd[0]->packed_bytes == 4 * points * channels * channels);
        // Weights that no cache holds are used up block by block, where a call costs nothing else.
        CHECK(direct[0]->split.one_by_one);
        CHECK(direct[0]->split.count == channels / direct[0]->kernel->block());
        CHECK(!winograd[0]->split.one_by_one);
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
            CHECK(!direct[0]->choice);
        }
        // 25 outputs lie in 4 tiles.
        const auto plan = checked_plan(gated_layer(16, 16, 1, 5, 5), *target);
        const bool pays = 25 > 4 * active_to_pay(*target, GateForm::position, 16, 16);
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
        const Steps select = steps_of(*plan, Algorithm::select_way);
        REQUIRE(select.size() == 2);
        REQUIRE(tiles.size() == 2);
        REQUIRE(winograd.size() == 2);
        REQUIRE(direct.size() == 2);
        REQUIRE(fill.size() == 4);
        for (std::size_t i = 0; i < 2; ++i) {
            check_choice(*tiles[i], *select[i], *winograd[i], *direct[i], &fill[2 * i]);
            CHECK(direct[i]->macs_per_entry == 32 * 16 * 9);
            // Their own maps, weights, rows and outputs.
            const std::int64_t panels = 32 / winograd[i]->kernel->lanes;
            const auto call = call_of<WinogradConvCall>(*winograd[i]);
            CHECK(call.weights.axes[3].extent == panels);
            CHECK(call.output.axes[0].extent == 32);
        }
        CHECK(!is_same(*winograd[0]->list.outputs, *winograd[1]->list.outputs));
        const auto first = call_of<WinogradConvCall>(*winograd[0]);
        const auto second = call_of<WinogradConvCall>(*winograd[1]);
        CHECK(second.gate.offset - first.gate.offset == 1);
        CHECK(second.output.offset - first.output.offset == 32);
        CHECK(second.weights.offset - first.weights.offset == 32 * 16 * 36);
        CHECK(second.epilogue.offset - first.epilogue.offset == 32);
    }
}

TEST_CASE("layers that obey one gate share its tiles") {
    for (const Target* target : possible_targets()) {
        GraphBuilder b(5);
        const ValueId x = image(b, 16), gate = b.relu(b.conv(x, 1, 1));
        for (int i = 0; i < 2; ++i) {
            b.output(b.mul(b.conv(x, 16, 3), gate));
        }
        const auto plan = checked_plan(b, *target);
        INFO(explain(*plan));
        CHECK(steps_of(*plan, Algorithm::positions).size() == 1);
        CHECK(steps_of(*plan, Algorithm::tiles).size() == 1);
        const Steps winograd = steps_of(*plan, Algorithm::winograd_conv, GateForm::position);
        REQUIRE(winograd.size() == 2);
        CHECK(is_same(call_of<WinogradConvCall>(*winograd[0]).tiles,
                      call_of<WinogradConvCall>(*winograd[1]).tiles));
    }
}

TEST_CASE(
    "an element gate is multiplied by Winograd where too many gates are active for dot products") {
    for (const Target* target : possible_targets()) {
        const auto plan = checked_plan(gated_layer(16, 16, 16), *target);
        INFO(explain(*plan));
        const Steps dots = steps_of(*plan, Algorithm::dot_conv);
        const Steps winograd = steps_of(*plan, Algorithm::winograd_conv, GateForm::element);
        REQUIRE(dots.size() == 1);
        REQUIRE(winograd.size() == 1);
        CHECK(steps_of(*plan, Algorithm::gated_conv, GateForm::element).empty());
        CHECK(steps_of(*plan, Algorithm::tiles).empty());
        const Steps select = steps_of(*plan, Algorithm::select_way);
        REQUIRE(select.size() == 1);
        const auto costs = call_of<SelectWayCall>(*select[0]);
        REQUIRE(dots[0]->choice);
        CHECK(is_same(dots[0]->choice->chosen, costs.chosen));
        CHECK(dots[0]->choice->number == 0);
        CHECK(chooses_as(*winograd[0], *dots[0]));
        CHECK(winograd[0]->choice->number == 1);
        // In units of an element: dot products cost what they do, and the dense product a
        // break-even's share of the direct one, which costs as much as that share of all elements.
        const double share = dots[0]->kernel->as<DotInfo>().break_even *
                             winograd[0]->kernel->as<WinogradInfo>().break_even;
        CHECK(costs.first_fixed == 0);
        CHECK(costs.first_rate == 1);
        CHECK(costs.second_rate == 0);
        CHECK(costs.second_fixed == Approx(16 * 12 * 8 * share));
        CHECK(winograd[0]->list.static_count == 3 * 2);
        CHECK(winograd[0]->macs == 9LL * 16 * 16 * 12 * 8);
    }
}
