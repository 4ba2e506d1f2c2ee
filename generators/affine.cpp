#include <Halide.h>

#include "generators/clip.h"
#include "schedules/pointwise.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// output(c, x, y) = clamp(scale(c) * input(c, x, y) + shift(c)), float32, NHWC.
class Affine : public Generator<Affine> {
public:
    Input<Buffer<float, 3>> input{"input"};
    /// (c, row): row 0 scale, 1 shift.
    Input<Buffer<float, 2>> coefficients{"coefficients"};
    Input<float> low{"low"};
    Input<float> high{"high"};
    Output<Buffer<float, 3>> output{"output"};

    void generate() {
        output(c, x, y) = clip(input(c, x, y) * coefficients(c, 0) + coefficients(c, 1), low, high);
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

HALIDE_REGISTER_GENERATOR(Affine, affine)
