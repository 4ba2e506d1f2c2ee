#include <Halide.h>

#include "generators/mask_tables.h"
#include "schedules/tiles.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// The Winograd tiles of 2x2 or 4x4 outputs that hold an active position, and those that hold none,
/// from the masks that `positions` has made, in row-major order. Where the side does not divide the
/// width, the last tile of a row ends with the row, and overlaps the one before it; likewise along
/// the height.
class Tiles : public Generator<Tiles> {
public:
    /// (2, group), as `positions` writes its groups.
    Input<Buffer<int32_t, 2>> masks{"masks"};
    /// Of a tile: 2 or 4.
    Input<int> side{"side"};
    /// Of the gate map, at least the side each.
    Input<int> width{"width"};
    Input<int> height{"height"};
    /// row << 16 | column of each active tile; capacity at least all tiles + 1. Values beyond them
    /// are undefined.
    Output<Buffer<uint32_t, 1>> active{"active"};
    /// The skipped tiles; likewise.
    Output<Buffer<uint32_t, 1>> skipped{"skipped"};
    /// [2]: the numbers of active and of skipped tiles.
    Output<Buffer<int32_t, 1>> counts{"counts"};
    /// Scratch: the number of active tiles before each; capacity at least all tiles + 1.
    Output<Buffer<int32_t, 1>> before{"before"};

    void generate() {
        Expr across = (width + side - 1) / side, down = (height + side - 1) / side;
        scan = RDom(0, across, 0, down, "scan");
        write = RDom(0, across, 0, down, "write");
        lines(x, y) = mask(x, y) | mask(x, y + 1) |
                      select(side == 4, mask(x, y + side - 2) | mask(x, y + side - 1), 0);

        Expr index = scan.y * across + scan.x;
        before(i) = undef<int32_t>();
        before(0) = 0;
        before(index + 1) = before(index) + cast<int32_t>(is_active(scan.x, scan.y));

        // What stands in the wrong list is overwritten by the next tile's entry.
        Expr tile = write.y * across + write.x;
        Expr place = unsafe_promise_clamped(before(tile), 0, tile);
        active(i) = undef<uint32_t>();
        active(place) = cast<uint32_t>(write.y << 16 | write.x);
        skipped(i) = undef<uint32_t>();
        skipped(tile - place) = cast<uint32_t>(write.y << 16 | write.x);

        Expr total = before(across * down);
        counts(i) = undef<int32_t>();
        counts(0) = total;
        counts(1) = across * down - total;
    }

    void schedule() {
        masks.dim(0).set_bounds(0, 2).dim(1).set_min(0).set_stride(2);
        active.dim(0).set_min(0);
        skipped.dim(0).set_min(0);
        counts.dim(0).set_bounds(0, 2);
        before.dim(0).set_min(0);
        sluice::schedules::schedule_tiles({active, skipped, counts, before, scan, write});
    }

private:
    Expr start(Expr tile, Expr extent) { return min(tile * side, extent - side); }

    /// The active gates of a group of a row, a bit each.
    Expr mask(Expr group, Expr row) {
        Expr per_row = (width + mask_bits - 1) / mask_bits;
        return masks(1, row * per_row + clamp(group, 0, per_row - 1));
    }
    /// Whether any gate of a tile is active; a tile may reach into the next group.
    Expr is_active(Expr column, Expr row) {
        Expr first = start(column, width), line = start(row, height), group = first / mask_bits;
        Expr bits = lines(group, line) | lines(group + 1, line) << mask_bits;
        return (bits >> (first % mask_bits) & ((1 << side) - 1)) != 0;
    }

    Var i{"i"}, x{"x"}, y{"y"};
    Func lines{"lines"};
    RDom scan, write;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Tiles, tiles)
