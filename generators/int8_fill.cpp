#include <Halide.h>

#include "generators/int8_epilogue.h"
#include "schedules/fill.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// What a gated int8 layer's output holds where its gate is closed: int8_conv's epilogue from the
/// shift on, exactly,
///
///     t               = shift(k) + (residual(k, x, y) - residual_zero) * residual_scale
///     output(k, x, y) = round(clamp(t, low, high)) + zero      for each (x, y) of each square of
///                                                              the list
///
/// NHWC, bytes. A square of `side` outputs is a gate's: 1 for a gate a position. Those at the ends
/// of the map may reach beyond it.
class Int8Fill : public Generator<Int8Fill> {
public:
    /// row << 16 | column of the squares to fill.
    Input<Buffer<uint32_t, 1>> positions{"positions"};
    /// (k, row): int8_conv's; row 1 is shift, the other is not read.
    Input<Buffer<float, 2>> epilogue{"epilogue"};
    /// (k, x, y); the strides of x and y may be 0.
    Input<Buffer<uint8_t, 3>> residual{"residual"};
    Input<int> side{"side"};
    Input<float> residual_zero{"residual_zero"};
    Input<float> residual_scale{"residual_scale"};
    Input<float> low{"low"};
    Input<float> high{"high"};
    Input<int> zero{"zero"};
    /// (k, x, y), k a multiple of the lanes.
    Output<Buffer<uint8_t, 3>> output{"output"};

    void generate() {
        list = RDom(0, side, 0, side, 0, positions.dim(0).extent(), "list");
        Expr x = place(cast<int>(positions(list.z) & 0xffff), list.x, output.dim(1).extent());
        Expr y = place(cast<int>(positions(list.z) >> 16), list.y, output.dim(2).extent());
        output(k, column, line) = undef<uint8_t>();
        output(k, x, y) =
            quantised(strict_float(epilogue(k, 1) + residual_value(residual(k, x, y), residual_zero,
                                                                   residual_scale)),
                      low, high, zero);
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

HALIDE_REGISTER_GENERATOR(Int8Fill, int8_fill)
