#include <Halide.h>

#include "generators/quantise.h"
#include "schedules/pointwise.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// A multiple of each channel of a quantised tensor, and a constant added, u8, NHWC:
///
///     output(c, x, y) = u8(clip(round((input - input_zero) * scale(c) + shift(c))) + zero)
///
/// Scale and shift are in units of the output's scale; the scale holds the input's too.
class Int8Affine : public Generator<Int8Affine> {
public:
    Input<Buffer<uint8_t, 3>> input{"input"};
    /// (c, row): row 0 scale, 1 shift.
    Input<Buffer<float, 2>> coefficients{"coefficients"};
    Input<int> input_zero{"input_zero"};
    /// Integers: the bounds of the output less the zero point.
    Input<float> low{"low"};
    Input<float> high{"high"};
    Input<int> zero{"zero"};
    Output<Buffer<uint8_t, 3>> output{"output"};

    void generate() {
        Expr value = from_u8(input(c, x, y), input_zero) * coefficients(c, 0) + coefficients(c, 1);
        output(c, x, y) = to_u8(value, low, high, zero);
    }

    void schedule() {
        for (int i = 0; i < 3; ++i) {
            input.dim(i).set_min(0);
            output.dim(i).set_min(0);
        }
        coefficients.dim(0).set_min(0).dim(1).set_min(0);
        sluice::schedules::schedule_pointwise({output, c, {}}, {natural_vector_size<float>()});
    }

private:
    Var c{"c"}, x{"x"}, y{"y"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Int8Affine, int8_affine)
