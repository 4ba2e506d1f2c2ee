#include <limits>

#include <Halide.h>

#include "generators/mask_tables.h"
#include "schedules/kernel_map.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// How many products of a 3x3 convolution of stride 1 and pads of 1 are not known when the plan is
/// made: those of an output whose own gate is active and of an input whose gate, that of the layer
/// before, is active too. `kernel_map` lists these pairs, from what is counted here.
///
/// Both gates come as the masks that `positions` has made, of maps of the same extents, at least 2.
class PairCount : public Generator<PairCount> {
public:
    static constexpr int taps = sluice::pair_taps;

    /// (2, group) of the input's gate, then of the output's.
    Input<Buffer<int32_t, 2>> from{"from"};
    Input<Buffer<int32_t, 2>> to{"to"};
    /// [1] each: how many positions are active.
    Input<Buffer<int32_t, 1>> from_count{"from_count"};
    Input<Buffer<int32_t, 1>> to_count{"to_count"};
    Input<int> width{"width"};
    Input<int> height{"height"};
    /// The cost of a pair.
    Input<float> pair_cost{"pair_cost"};
    /// What the other ways of the layer cost, in the same unit: `first_cost` per active position of
    /// the output, and `second_cost` per unit of `second_count`, [1].
    Input<float> first_cost{"first_cost"};
    Input<Buffer<int32_t, 1>> second_count{"second_count"};
    Input<float> second_cost{"second_cost"};
    /// [10]: the pairs of each tap, and of all taps. The last is the largest int32 where too many
    /// are to be expected for any saving: they are not counted.
    Output<Buffer<int32_t, 1>> counts{"counts"};
    /// For kernel_map, (group, 1 + y): the input's gates from the position before a group to the
    /// one after it; capacity (ceil(width / `mask_bits`), height + 2).
    Output<Buffer<int32_t, 2>> around{"around"};
    /// For kernel_map, (tap, group): pairs before each group; capacity ceil(width / `mask_bits`) *
    /// height + 1 groups.
    Output<Buffer<int32_t, 2>> before{"before"};

    void generate() {
        per_row = (width + mask_bits - 1) / mask_bits;
        // Gates of a block are active together more often than by chance. So pairs are rarely
        // fewer than by chance, and where even two thirds of that number cost more than the
        // cheapest other way, a scan that takes as long as a tenth of the layer is left out.
        constexpr float most_by_chance = 1.5f;
        Expr by_chance = float(taps) * cast<float>(from_count(0)) * cast<float>(to_count(0)) /
                         cast<float>(width * height);
        Expr others =
            min(cast<float>(to_count(0)) * first_cost, cast<float>(second_count(0)) * second_cost);
        Expr may_pay = by_chance * pair_cost < most_by_chance * others;
        add_scan(may_pay);

        Expr total = per_row * height;
        RDom all(0, taps, "all");
        counts(i) = undef<int32_t>();
        counts(taps) = select(may_pay, 0, std::numeric_limits<int32_t>::max());
        counts(all) = select(may_pay, before(all, total), 0);
        counts(taps) += counts(all);
    }

    void schedule() {
        for (auto* masks : {&from, &to}) {
            masks->dim(0).set_bounds(0, 2).dim(1).set_min(0).set_stride(2);
        }
        from_count.dim(0).set_bounds(0, 1);
        to_count.dim(0).set_bounds(0, 1);
        second_count.dim(0).set_bounds(0, 1);
        counts.dim(0).set_bounds(0, taps + 1);
        around.dim(0).set_min(0).dim(1).set_min(0);
        before.dim(0).set_bounds(0, taps).dim(1).set_min(0);
        sluice::schedules::schedule_pair_count({counts, around, before, scan});
    }

private:
    /// The pairs of a tap and a group, a bit each.
    Expr mask(Expr tap, Expr group, Expr y) {
        return (around(group, y + tap / 3) >> (tap % 3)) & to(1, y * per_row + group);
    }
    Expr gates(Expr group, Expr y) {
        return from(
            1, y * per_row + unsafe_promise_clamped(clamp(group, 0, per_row - 1), 0, per_row - 1));
    }

    void add_scan(Expr is_wanted) {
        RDom halo(0, per_row, 0, 2, "halo"), lines(0, per_row, 0, height, "lines");
        lines.where(is_wanted);
        Expr left = select(lines.x > 0, gates(lines.x - 1, lines.y) >> (mask_bits - 1), 0);
        Expr right = select(lines.x < per_row - 1, gates(lines.x + 1, lines.y), 0);
        around(i, y) = undef<int32_t>();
        around(halo.x, halo.y * (height + 1)) = 0;
        around(lines.x, lines.y + 1) =
            left | gates(lines.x, lines.y) << 1 | right << (mask_bits + 1);

        Buffer<uint8_t> count = make_count_table();
        RDom first(0, taps, "first");
        scan = RDom(0, taps, 0, per_row, 0, height, "scan");
        scan.where(is_wanted);
        Expr index = scan.z * per_row + scan.y;
        before(t, i) = undef<int32_t>();
        before(first, 0) = 0;
        before(scan.x, index + 1) =
            before(scan.x, index) + cast<int32_t>(count(as_mask(mask(scan.x, scan.y, scan.z))));
    }

    Var i{"i"}, t{"t"}, y{"y"};
    Expr per_row;
    RDom scan;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(PairCount, pair_count)
