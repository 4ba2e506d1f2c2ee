#include <Halide.h>

#include "generators/mask_tables.h"
#include "schedules/elements.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// Which elements of a layer with a gate an element to compute: the channels whose gate is not
/// zero, position after position in row-major order. The channels of a position begin at a multiple
/// of `tile`, so that a tile of them reads one patch; what fills its last tile up are channels of
/// the same position, open or closed. Channels are taken `group` at a time, as in positions.cpp.
class Elements : public Generator<Elements> {
public:
    static constexpr int group = mask_bits;
    /// Entries that a group writes: its own, and enough for the rest of a tile.
    static constexpr int written = element_entries;

    /// (k, x, y), dense along k. A NaN is not zero, so that it reaches the output.
    Input<Buffer<float, 3>> gate{"gate"};
    /// A power of two, at most 8.
    Input<int> tile{"tile"};
    /// (entry, row): row 0 the channel, row 1 its position y << 16 | x; capacity at least width *
    /// height * (channels, rounded up to `tile`) + `written`. Values beyond the entries are
    /// undefined.
    Output<Buffer<uint32_t, 2>> list{"list"};
    /// The number of tiles.
    Output<Buffer<int32_t, 0>> tiles{"tiles"};
    /// Scratch, (2, group): the number of entries before the group, and its mask; capacity at least
    /// ceil(channels / `group`) * width * height + 1 groups.
    Output<Buffer<int32_t, 2>> groups{"groups"};

    void generate() {
        Expr channels = gate.dim(0).extent(), width = gate.dim(1).extent();
        Expr height = gate.dim(2).extent(), each = (channels + group - 1) / group;
        scan = RDom(0, each, 0, width, 0, height, "scan");
        lanes = RDom(0, group, "lanes");

        Expr at = unsafe_promise_clamped(min(j * group + lanes, channels - 1), 0, channels - 1);
        Expr open = is_open(gate(at, x, y)) && j * group + lanes < channels;
        mask(j, x, y) += select(open, cast<int32_t>(1) << lanes, 0);

        Buffer<uint8_t> order = make_order_table(written);
        Buffer<uint8_t> count = make_count_table();
        Expr here = (scan.z * width + scan.y) * each + scan.x;
        groups(i, g) = undef<int32_t>();
        groups(0, 0) = 0;
        groups(1, here) = mask(scan.x, scan.y, scan.z);
        Expr end = groups(0, here) + cast<int32_t>(count(as_mask(groups(1, here))));
        groups(0, here + 1) = select(scan.x == each - 1, (end + tile - 1) & -tile, end);

        // A group is written whole: what follows its own entries, the next group overwrites, and in
        // the rest of a position's last tile it names the group's first channel.
        write = RDom({{0, written}, {0, 2}, {0, each}, {0, width}, {0, height}}, "write");
        RVar lane = write[0], what = write[1], c = write[2], column = write[3], line = write[4];
        Expr number = (line * width + column) * each + c;
        Expr entry = unsafe_promise_clamped(groups(0, number), 0, list.dim(0).extent() - written);
        list(e, r) = undef<uint32_t>();
        list(entry + lane, what) =
            select(what == 0, cast<uint32_t>(c * group) + order(lane, as_mask(groups(1, number))),
                   cast<uint32_t>(line << 16 | column));

        tiles() = groups(0, each * width * height) / tile;
    }

    void schedule() {
        for (int d = 0; d < 3; ++d) {
            gate.dim(d).set_min(0);
        }
        list.dim(0).set_min(0).dim(1).set_bounds(0, 2);
        groups.dim(0).set_bounds(0, 2).dim(1).set_min(0).set_stride(2);
        sluice::schedules::schedule_elements({list, tiles, groups, mask, scan, lanes, write});
    }

private:
    Var i{"i"}, g{"g"}, j{"j"}, x{"x"}, y{"y"}, e{"e"}, r{"r"};
    Func mask{"mask"};
    RDom scan, lanes, write;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Elements, elements)
