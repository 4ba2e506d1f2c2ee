#include <Halide.h>

#include "schedules/pointwise.h"

namespace {

using namespace Halide;

/// Blends two rows and two columns of the image for each output, float32, NHWC: nearest and
/// linear interpolation, whatever the coordinates, since those are in the tables.
class Resize : public Generator<Resize> {
public:
    Input<Buffer<float, 3>> input{"input"};
    /// (x, 2): the two source columns of output column x, and their weights, which sum to 1.
    Input<Buffer<int32_t, 2>> columns{"columns"};
    Input<Buffer<float, 2>> column_weights{"column_weights"};
    /// (y, 2): likewise, of rows.
    Input<Buffer<int32_t, 2>> rows{"rows"};
    Input<Buffer<float, 2>> row_weights{"row_weights"};
    Output<Buffer<float, 3>> output{"output"};

    void generate() {
        const auto source = [](Expr index, Expr extent) {
            return unsafe_promise_clamped(index, 0, extent - 1);
        };
        // One source is taken as it is: 0 * inf would be NaN. Of two, a weight of zero hides none.
        const auto blend = [](Expr is_one, Expr first, Expr second, Expr share, Expr other) {
            return strict_float(select(is_one, first, share * first + other * second));
        };
        const auto at_row = [&](Expr row) {
            const auto value = [&](int i) {
                return input(c, source(columns(x, i), input.dim(1).extent()),
                             source(row, input.dim(2).extent()));
            };
            return blend(columns(x, 0) == columns(x, 1), value(0), value(1), column_weights(x, 0),
                         column_weights(x, 1));
        };
        output(c, x, y) = blend(rows(y, 0) == rows(y, 1), at_row(rows(y, 0)), at_row(rows(y, 1)),
                                row_weights(y, 0), row_weights(y, 1));
    }

    void schedule() {
        for (int i = 0; i < 3; ++i) {
            input.dim(i).set_min(0);
            output.dim(i).set_min(0);
        }
        for (auto* table : {&column_weights, &row_weights}) {
            table->dim(0).set_min(0).dim(1).set_min(0);
        }
        for (auto* table : {&columns, &rows}) {
            table->dim(0).set_min(0).dim(1).set_min(0);
        }
        sluice::schedules::schedule_pointwise({output, c, {}}, {natural_vector_size<float>()});
    }

private:
    Var c{"c"}, x{"x"}, y{"y"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Resize, resize)
