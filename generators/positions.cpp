#include <Halide.h>

#include "generators/mask_tables.h"
#include "schedules/positions.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// Which outputs of a gated layer to compute: the positions of a gate map, y << 16 | x, in two
/// lists in row-major order, those whose gate is not zero and those whose gate is. Positions are
/// taken `group` at a time: a prefix sum over the groups' open gates tells each group its place
/// (Blelloch, "Prefix Sums and Their Applications", 1990, stream compaction), and a table gives the
/// order inside a group for each of its masks.
class Positions : public Generator<Positions> {
public:
    /// Positions of a row that share a mask.
    static constexpr int group = mask_bits;

    /// (x, y), strides any. A NaN is not zero, so that it reaches the output.
    Input<Buffer<float, 2>> gate{"gate"};
    /// Open positions; capacity at least width * height + `group`. Values beyond them are
    /// undefined.
    Output<Buffer<uint32_t, 1>> active{"active"};
    /// Closed positions; likewise.
    Output<Buffer<uint32_t, 1>> skipped{"skipped"};
    /// [2]: the numbers of open and of closed positions.
    Output<Buffer<int32_t, 1>> counts{"counts"};
    /// Scratch, (2, group): the number of open positions before the group, and its mask; capacity
    /// at least ceil(width / `group`) * height + 1 groups.
    Output<Buffer<int32_t, 2>> groups{"groups"};

    void generate() {
        Expr width = gate.dim(0).extent(), height = gate.dim(1).extent();
        Expr per_row = (width + group - 1) / group;
        scan = RDom(0, per_row, 0, height, "scan");
        lanes = RDom(0, group, "lanes");
        Expr first = scan.x * group, index = scan.y * per_row + scan.x;

        Expr at = unsafe_promise_clamped(min(j * group + lanes, width - 1), 0, width - 1);
        Expr open = is_open(gate(at, y)) && j * group + lanes < width;
        mask(j, y) += select(open, cast<int32_t>(1) << lanes, 0);

        Buffer<uint8_t> order = make_order_table(group), count = make_count_table();
        groups(i, g) = undef<int32_t>();
        groups(0, 0) = 0;
        groups(1, index) = mask(scan.x, scan.y);
        sum = RDom(0, per_row * height, "sum");
        groups(0, sum + 1) = groups(0, sum) + cast<int32_t>(count(as_mask(groups(1, sum))));

        // A group is written whole: what follows its own positions, the next group overwrites.
        write = RDom(0, group, 0, per_row, 0, height, "write");
        Expr from = write.y * group, number = write.z * per_row + write.y;
        Expr bits = groups(1, number);
        Expr valid = (cast<uint32_t>(1) << cast<uint32_t>(min(width - from, likely(group)))) - 1;
        Expr position = cast<uint32_t>(write.z << 16 | from);
        Expr place = unsafe_promise_clamped(groups(0, number), 0, write.z * width + from);
        active(i) = undef<uint32_t>();
        active(place + write.x) = position + order(write.x, as_mask(bits));
        skipped(i) = undef<uint32_t>();
        skipped(write.z * width + from - place + write.x) =
            position + order(write.x, as_mask(cast<int32_t>(valid) & ~bits));

        Expr total = groups(0, height * per_row);
        counts(i) = undef<int32_t>();
        counts(0) = total;
        counts(1) = width * height - total;
    }

    void schedule() {
        gate.dim(0).set_min(0).set_stride(Expr()).dim(1).set_min(0);
        active.dim(0).set_min(0);
        skipped.dim(0).set_min(0);
        counts.dim(0).set_bounds(0, 2);
        groups.dim(0).set_bounds(0, 2).dim(1).set_min(0).set_stride(2);
        sluice::schedules::schedule_positions(
            {active, skipped, counts, groups, mask, scan, lanes, sum, write, gate.dim(0).stride()});
    }

private:
    Var i{"i"}, g{"g"}, j{"j"}, y{"y"};
    Func mask{"mask"};
    RDom scan, lanes, sum, write;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Positions, positions)
