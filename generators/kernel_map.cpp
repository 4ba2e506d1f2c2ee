#include <Halide.h>

#include "generators/mask_tables.h"
#include "schedules/kernel_map.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// Which products of a 3x3 convolution of stride 1 and pads of 1 are not known when the plan is
/// made: those of an output whose own gate is open and of an input whose gate, that of the layer
/// before, is open too. They are listed a tap (a kernel map: Choy et al., "4D Spatio-Temporal
/// ConvNets", CVPR 2019, section 4.1), and it is decided here whether sparse_conv over them takes
/// less time than the other ways of the layer.
///
/// Both gates come as the masks that `positions` has made, of maps of the same extents, at least 2.
class KernelMap : public Generator<KernelMap> {
public:
    static constexpr int taps = 9;

    /// (2, group) of the input's gate, then of the output's.
    Input<Buffer<int32_t, 2>> from{"from"};
    Input<Buffer<int32_t, 2>> to{"to"};
    /// [1] each: how many positions are open.
    Input<Buffer<int32_t, 1>> from_open{"from_open"};
    Input<Buffer<int32_t, 1>> to_open{"to_open"};
    /// [2], as `tiles` writes them: open tiles, and 1 where winograd_conv over them takes less time
    /// than gated_conv, else 0.
    Input<Buffer<int32_t, 1>> tiles{"tiles"};
    Input<int> width{"width"};
    Input<int> height{"height"};
    /// Pixels of a row of the input, halo included: more than width + 1.
    Input<int> row{"row"};
    /// Pairs that sparse_conv takes at once.
    Input<int> pixels{"pixels"};
    /// The time of a pair and of a tile, in that of a position of gated_conv.
    Input<float> pair_time{"pair_time"};
    Input<float> tile_time{"tile_time"};
    /// (pair, tap): y * row + x of the outputs, in row-major order, then `pixels` times that of
    /// (width, 0), which is no output; capacity at least width * height + max(pixels, `mask_bits`).
    /// Written where sparse_conv pays.
    Output<Buffer<uint32_t, 2>> pairs{"pairs"};
    /// [13]: the pairs of each tap, of all taps, and whether sparse_conv, winograd_conv or
    /// gated_conv takes the least time, each 1 or 0. Without sparse_conv the pairs are undefined.
    Output<Buffer<int32_t, 1>> counts{"counts"};
    /// Scratch, (group, 1 + y): the input's gates from the position before a group to the one after
    /// it; capacity (ceil(width / `mask_bits`), height + 2).
    Output<Buffer<int32_t, 2>> around{"around"};
    /// Scratch, (tap, group): pairs before each group; capacity ceil(width / `mask_bits`) * height
    /// + 1 groups.
    Output<Buffer<int32_t, 2>> before{"before"};

    void generate() {
        per_row = (width + mask_bits - 1) / mask_bits;
        // Gates of a block open together more often than by chance, so that fewer pairs than by
        // chance are rare, and a scan that comes to nothing is worth leaving out.
        Expr by_chance = float(taps) * cast<float>(from_open(0)) * cast<float>(to_open(0)) /
                         cast<float>(width * height);
        Expr others =
            select(tiles(1) != 0, cast<float>(tiles(0)) * tile_time, cast<float>(to_open(0)));
        Expr may_pay = by_chance * pair_time < 1.5f * others;
        add_scan(may_pay);

        Expr total = per_row * height;
        RDom all(0, taps, "all");
        counts(i) = undef<int32_t>();
        counts(taps) = 0;
        counts(all) = select(may_pay, before(all, total), 0);
        counts(taps) += counts(all);
        Expr pays = may_pay && cast<float>(counts(taps)) * pair_time < others;
        counts(taps + 1) = cast<int32_t>(pays);
        counts(taps + 2) = cast<int32_t>(counts(taps + 1) == 0 && tiles(1) != 0);
        counts(taps + 3) = cast<int32_t>(counts(taps + 1) == 0 && tiles(1) == 0);
        add_pairs(counts(taps + 1));
    }

    void schedule() {
        for (auto* masks : {&from, &to}) {
            masks->dim(0).set_bounds(0, 2).dim(1).set_min(0).set_stride(2);
        }
        from_open.dim(0).set_bounds(0, 1);
        to_open.dim(0).set_bounds(0, 1);
        tiles.dim(0).set_bounds(0, 2);
        pairs.dim(0).set_min(0).dim(1).set_bounds(0, taps);
        counts.dim(0).set_bounds(0, taps + 4);
        around.dim(0).set_min(0).dim(1).set_min(0);
        before.dim(0).set_bounds(0, taps).dim(1).set_min(0);
        sluice::schedules::schedule_kernel_map({pairs, counts, around, before, scan, write, end});
    }

private:
    /// The open pairs of a tap and a group, a bit each.
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

    /// `is_wanted`: 1 or 0; as a factor of their ends, it leaves loops out altogether.
    void add_pairs(Expr is_wanted) {
        Buffer<uint8_t> order = make_order_table(mask_bits);
        // A group is written whole: what follows its own pairs, the next group overwrites.
        write = RDom(0, mask_bits, 0, taps, 0, per_row, 0, height, "write");
        write.where(write.w < height * is_wanted);
        Expr place = unsafe_promise_clamped(before(write.y, write.w * per_row + write.z), 0,
                                            write.w * width + write.z * mask_bits);
        Expr bits = mask(write.y, write.z, write.w);
        pairs(i, t) = undef<uint32_t>();
        pairs(place + write.x, write.y) =
            cast<uint32_t>(write.w * row + write.z * mask_bits) + order(write.x, as_mask(bits));
        end = RDom(0, pixels, 0, taps, "end");
        end.where(end.y < taps * is_wanted);
        Expr length = unsafe_promise_clamped(counts(end.y), 0, width * height);
        pairs(length + end.x, end.y) = cast<uint32_t>(width);
    }

    Var i{"i"}, t{"t"}, y{"y"};
    Expr per_row;
    RDom scan, write, end;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(KernelMap, kernel_map)
