#include <Halide.h>

#include "schedules/positions.h"

namespace {

using namespace Halide;

/// Which outputs of a gated layer to compute: the positions of a gate map, y << 16 | x, in two
/// lists in row-major order, those whose gate is not zero and those whose gate is. A prefix sum
/// over the open gates tells each position its place (Blelloch, "Prefix Sums and Their
/// Applications", 1990, stream compaction).
class Positions : public Generator<Positions> {
public:
    // Schedule.
    GeneratorParam<int> unroll{"unroll", 4};

    /// (x, y), strides any. A NaN is not zero, so that it reaches the output.
    Input<Buffer<float, 2>> gate{"gate"};
    /// Open positions; capacity at least width * height. Values beyond them are undefined.
    Output<Buffer<uint32_t, 1>> active{"active"};
    /// Closed positions; capacity at least width * height + 1. Values beyond them are undefined.
    Output<Buffer<uint32_t, 1>> skipped{"skipped"};
    /// [2]: the numbers of open and of closed positions.
    Output<Buffer<int32_t, 1>> counts{"counts"};
    /// Scratch: entry i is the number of open positions before position i; capacity at least
    /// width * height + 1.
    Output<Buffer<int32_t, 1>> offsets{"offsets"};

    void generate() {
        Expr width = gate.dim(0).extent(), height = gate.dim(1).extent();
        map = RDom(0, width, 0, height, "map");
        Expr index = map.y * width + map.x;
        // On the bits, less the sign: a comparison of floats may be ordered, and drop a NaN.
        Expr open = (reinterpret<uint32_t>(gate(map.x, map.y)) << 1) != 0;
        offsets(i) = undef<int32_t>();
        offsets(0) = 0;
        offsets(index + 1) = offsets(index) + cast<int32_t>(open);

        // Each position is written to both lists, at the place that it would have: where it does
        // not belong, the next that does overwrites it.
        Expr position = cast<uint32_t>(map.y << 16 | map.x);
        Expr place = unsafe_promise_clamped(offsets(index), 0, index);
        active(i) = undef<uint32_t>();
        active(place) = position;
        skipped(i) = undef<uint32_t>();
        skipped(index - place) = position;

        Expr total = width * height;
        Expr open_count = unsafe_promise_clamped(offsets(total), 0, total);
        counts(i) = undef<int32_t>();
        counts(0) = open_count;
        counts(1) = total - open_count;
    }

    void schedule() {
        gate.dim(0).set_min(0).set_stride(Expr()).dim(1).set_min(0);
        active.dim(0).set_min(0);
        skipped.dim(0).set_min(0);
        counts.dim(0).set_bounds(0, 2);
        offsets.dim(0).set_min(0);
        sluice::schedules::schedule_positions(
            {active, skipped, counts, offsets, map, gate.dim(0).stride()}, {unroll});
    }

private:
    Var i{"i"};
    RDom map;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Positions, positions)
