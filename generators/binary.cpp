#include <Halide.h>

#include "schedules/pointwise.h"

namespace {

using namespace Halide;

enum class Operation { add, sub, mul, div };

/// output = a op b, element by element, float32. IEEE 754 throughout: infinities and NaN come out
/// as they do in scalar code.
class Binary : public Generator<Binary> {
public:
    GeneratorParam<Operation> operation{"operation",
                                        Operation::add,
                                        {{"add", Operation::add},
                                         {"sub", Operation::sub},
                                         {"mul", Operation::mul},
                                         {"div", Operation::div}}};

    /// (d0, d1, d2, d3), strides any; zero repeats.
    Input<Buffer<float, 4>> a{"a"};
    Input<Buffer<float, 4>> b{"b"};
    /// Dense along d0.
    Output<Buffer<float, 4>> output{"output"};

    void generate() {
        Expr left = a(d0, d1, d2, d3), right = b(d0, d1, d2, d3);
        Expr value = operation == Operation::add   ? left + right
                     : operation == Operation::sub ? left - right
                     : operation == Operation::mul ? left * right
                                                   : left / right;
        output(d0, d1, d2, d3) = strict_float(value);
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

HALIDE_REGISTER_GENERATOR(Binary, binary)
