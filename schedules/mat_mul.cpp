#include "schedules/mat_mul.h"

namespace sluice::schedules {

using Halide::TailStrategy;
using Halide::Var;

void schedule_mat_mul(MatMulFuncs f, const MatMulParams& p) {
    Var column("column"), row("row"), oi("oi"), ti("ti");
    const struct {
        int columns, rows;
    } tiles[] = {{2 * p.lanes, 4}, {p.lanes, 4}, {2 * p.lanes, 1}, {p.lanes, 1}};
    for (const auto& tile : tiles) {
        f.output.specialize(f.columns >= tile.columns && f.rows >= tile.rows)
            .tile(f.o, f.t, column, row, oi, ti, tile.columns, tile.rows,
                  TailStrategy::ShiftInwards)
            .vectorize(oi, p.lanes)
            .unroll(oi)
            .unroll(ti);
    }
    f.output.tile(f.o, f.t, column, row, oi, ti, 1, 1);

    f.sum.compute_at(f.output, column);
    f.sum.update().reorder(f.o, f.t, f.i);
    Var wide("wide"), within("within"), vector("vector"), lane("lane"), high("high"), low("low");
    for (const auto& tile : tiles) {
        const Halide::Expr fits = f.columns >= tile.columns && f.rows >= tile.rows;
        for (Halide::Stage stage : {Halide::Stage(f.sum), f.sum.update()}) {
            // What is left over of a tile is nothing; splits make loops of extents that are known.
            Halide::Stage cut = stage.specialize(fits);
            cut.split(f.o, wide, within, tile.columns, TailStrategy::GuardWithIf)
                .split(within, vector, lane, p.lanes, TailStrategy::GuardWithIf)
                .split(f.t, high, low, tile.rows, TailStrategy::GuardWithIf)
                .vectorize(lane)
                .unroll(vector)
                .unroll(low);
        }
    }
}

}  // namespace sluice::schedules
