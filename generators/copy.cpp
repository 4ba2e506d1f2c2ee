#include <Halide.h>

#include "schedules/copy.h"

namespace {

using namespace Halide;

/// output(d0, d1, d2, d3) = input(d0, d1, d2, d3), float32 or u8: what remains of a Transpose,
/// Slice, Concat, Pad or Expand, and the way from NCHW to NHWC and back.
class Copy : public Generator<Copy> {
public:
    GeneratorParam<Type> element{"element", Float(32)};

    /// Strides are any: zero repeats, a negative one walks back from element 0.
    Input<Buffer<void, 4>> input{"input"};
    /// Strides are any but zero.
    Output<Buffer<void, 4>> output{"output"};

    void configure() {
        input.set_type(element);
        output.set_type(element);
    }

    void generate() { output(d0, d1, d2, d3) = input(d0, d1, d2, d3); }

    void schedule() {
        input.dim(0).set_stride(Expr());
        output.dim(0).set_stride(Expr());
        for (int i = 0; i < 4; ++i) {
            input.dim(i).set_min(0);
            output.dim(i).set_min(0);
        }
        sluice::schedules::schedule_copy(
            {output, d0, d1, input.dim(0).stride(), input.dim(1).stride(), output.dim(0).stride(),
             output.dim(1).stride()},
            {natural_vector_size<float>()});
    }

private:
    Var d0{"d0"}, d1{"d1"}, d2{"d2"}, d3{"d3"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Copy, copy)
