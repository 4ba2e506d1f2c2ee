#include <Halide.h>

#include "schedules/mat_mul.h"

namespace {

using namespace Halide;

/// output(o, t, b0, b1) = sum over i of a(i, t, b0, b1) * b(o, i, b0, b1), float32: a product of
/// matrices for each b0 and b1.
class MatMul : public Generator<MatMul> {
public:
    /// Strides any; zero repeats.
    Input<Buffer<float, 4>> a{"a"};
    /// Dense along o; the other strides any, zero repeats.
    Input<Buffer<float, 4>> b{"b"};
    /// Dense along o.
    Output<Buffer<float, 4>> output{"output"};

    void generate() {
        i = RDom(0, a.dim(0).extent(), "i");
        sum(o, t, b0, b1) = 0.0f;
        sum(o, t, b0, b1) += a(i, t, b0, b1) * b(o, i, b0, b1);
        output(o, t, b0, b1) = sum(o, t, b0, b1);
    }

    void schedule() {
        a.dim(0).set_stride(Expr());
        for (int d = 0; d < 4; ++d) {
            a.dim(d).set_min(0);
            b.dim(d).set_min(0);
            output.dim(d).set_min(0);
        }
        sluice::schedules::schedule_mat_mul(
            {output, sum, o, t, i, output.dim(0).extent(), output.dim(1).extent()},
            {natural_vector_size<float>()});
    }

private:
    Var o{"o"}, t{"t"}, b0{"b0"}, b1{"b1"};
    Func sum{"sum"};
    RDom i;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(MatMul, mat_mul)
