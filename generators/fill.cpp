#include <Halide.h>

#include "generators/clip.h"
#include "schedules/fill.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// What a gated layer's output holds where its gate is closed: gated_conv's epilogue over a product
/// of zero, exactly,
///
///     output(k, x, y) = clamp(shift(k) + residual(k, x, y), post_low, post_high)
///                                              for each (x, y) of each square of the list
///
/// float32, NHWC. A square of `side` outputs is a gate's: 1 for a gate a position. Those at the
/// ends of the map may reach beyond it.
class Fill : public Generator<Fill> {
public:
    /// row << 16 | column of the squares to fill.
    Input<Buffer<uint32_t, 1>> positions{"positions"};
    /// (k, row): gated_conv's; row 2 is shift, the others are not read.
    Input<Buffer<float, 2>> epilogue{"epilogue"};
    /// (k, x, y); the strides of x and y may be 0.
    Input<Buffer<float, 3>> residual{"residual"};
    Input<int> side{"side"};
    Input<float> post_low{"post_low"};
    Input<float> post_high{"post_high"};
    /// (k, x, y), k a multiple of the lanes.
    Output<Buffer<float, 3>> output{"output"};

    void generate() {
        list = RDom(0, side, 0, side, 0, positions.dim(0).extent(), "list");
        Expr x = place(cast<int>(positions(list.z) & 0xffff), list.x, output.dim(1).extent());
        Expr y = place(cast<int>(positions(list.z) >> 16), list.y, output.dim(2).extent());
        output(k, column, line) = undef<float>();
        output(k, x, y) = clip(epilogue(k, 2) + residual(k, x, y), post_low, post_high);
    }

    void schedule() {
        const int lanes = natural_vector_size<float>();
        positions.dim(0).set_min(0);
        epilogue.dim(0).set_min(0).dim(1).set_min(0);
        residual.dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        output.dim(0).set_bounds(0, (output.dim(0).extent() / lanes) * lanes);
        output.dim(1).set_min(0).dim(2).set_min(0);
        Expr no_residual = residual.dim(1).stride() == 0 && residual.dim(2).stride() == 0;
        sluice::schedules::schedule_fill(
            {output, k, list, output.dim(0).extent(), Expr(side), no_residual}, lanes);
    }

private:
    /// The last output of the map again, beyond its end.
    Expr place(Expr square, Expr offset, Expr extent) {
        return unsafe_promise_clamped(min(square * side + offset, extent - 1), 0, extent - 1);
    }

    Var k{"k"}, column{"column"}, line{"line"};
    RDom list;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Fill, fill)
