#include <Halide.h>

#include "generators/quantise.h"
#include "schedules/pointwise.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// The sum of two quantised tensors, element by element, u8:
///
///     output = u8(clip(round((a - a_zero) * a_factor + (b - b_zero) * b_factor)) + zero)
///
/// A factor is an input's scale over the output's; one of 0 leaves its input out.
class Int8Add : public Generator<Int8Add> {
public:
    /// (d0, d1, d2, d3), strides any; zero repeats.
    Input<Buffer<uint8_t, 4>> a{"a"};
    Input<Buffer<uint8_t, 4>> b{"b"};
    Input<int> a_zero{"a_zero"};
    Input<int> b_zero{"b_zero"};
    Input<float> a_factor{"a_factor"};
    Input<float> b_factor{"b_factor"};
    /// Integers: the bounds of the output less the zero point.
    Input<float> low{"low"};
    Input<float> high{"high"};
    Input<int> zero{"zero"};
    /// Dense along d0.
    Output<Buffer<uint8_t, 4>> output{"output"};

    void generate() {
        Expr sum = from_u8(a(d0, d1, d2, d3), a_zero) * a_factor +
                   from_u8(b(d0, d1, d2, d3), b_zero) * b_factor;
        output(d0, d1, d2, d3) = to_u8(sum, low, high, zero);
    }

    void schedule() {
        a.dim(0).set_stride(Expr());
        b.dim(0).set_stride(Expr());
        for (int i = 0; i < 4; ++i) {
            a.dim(i).set_min(0);
            b.dim(i).set_min(0);
            output.dim(i).set_min(0);
        }
        Expr step_a = a.dim(0).stride(), step_b = b.dim(0).stride();
        sluice::schedules::schedule_pointwise(
            {output,
             d0,
             {step_a == 1 && step_b == 1, step_a == 1 && step_b == 0, step_a == 0 && step_b == 1}},
            {natural_vector_size<float>()});
    }

private:
    Var d0{"d0"}, d1{"d1"}, d2{"d2"}, d3{"d3"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Int8Add, int8_add)
