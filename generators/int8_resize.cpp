#include <Halide.h>

#include "schedules/pointwise.h"

namespace {

using namespace Halide;

/// Takes a row and a column of the image for each output, u8, NHWC: nearest interpolation, whatever
/// the coordinates, since those are in the tables.
class Int8Resize : public Generator<Int8Resize> {
public:
    Input<Buffer<uint8_t, 3>> input{"input"};
    /// (x): the source column of output column x.
    Input<Buffer<int32_t, 1>> columns{"columns"};
    /// (y): likewise, of rows.
    Input<Buffer<int32_t, 1>> rows{"rows"};
    Output<Buffer<uint8_t, 3>> output{"output"};

    void generate() {
        Expr column = unsafe_promise_clamped(columns(x), 0, input.dim(1).extent() - 1);
        Expr row = unsafe_promise_clamped(rows(y), 0, input.dim(2).extent() - 1);
        output(c, x, y) = input(c, column, row);
    }

    void schedule() {
        for (int i = 0; i < 3; ++i) {
            input.dim(i).set_min(0);
            output.dim(i).set_min(0);
        }
        columns.dim(0).set_min(0);
        rows.dim(0).set_min(0);
        sluice::schedules::schedule_pointwise({output, c, {}}, {natural_vector_size<float>()});
    }

private:
    Var c{"c"}, x{"x"}, y{"y"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Int8Resize, int8_resize)
