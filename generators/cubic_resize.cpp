#include <Halide.h>

#include "schedules/pointwise.h"

namespace {

using namespace Halide;

/// Blends four rows and four columns of the image for each output, float32, NHWC: cubic
/// interpolation, whatever the coordinates, since those are in the tables.
class CubicResize : public Generator<CubicResize> {
public:
    Input<Buffer<float, 3>> input{"input"};
    /// (x, 4): the source columns of output column x, and their weights.
    Input<Buffer<int32_t, 2>> columns{"columns"};
    Input<Buffer<float, 2>> column_weights{"column_weights"};
    /// (y, 4): likewise, of rows.
    Input<Buffer<int32_t, 2>> rows{"rows"};
    Input<Buffer<float, 2>> row_weights{"row_weights"};
    Output<Buffer<float, 3>> output{"output"};

    void generate() {
        constexpr int taps = 4;
        Expr sum = 0.0f;
        for (int j = 0; j < taps; ++j) {
            Expr row = unsafe_promise_clamped(rows(y, j), 0, input.dim(2).extent() - 1);
            Expr along = 0.0f;
            for (int i = 0; i < taps; ++i) {
                Expr column = unsafe_promise_clamped(columns(x, i), 0, input.dim(1).extent() - 1);
                along += column_weights(x, i) * input(c, column, row);
            }
            sum += row_weights(y, j) * along;
        }
        output(c, x, y) = sum;
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

HALIDE_REGISTER_GENERATOR(CubicResize, cubic_resize)
