#include <Halide.h>

#include "generators/elementary.h"
#include "schedules/pointwise.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

enum class Operation { add, sub, mul, div, max, min, pow, prelu };

/// output = a op b, element by element, float32. IEEE 754 throughout: infinities and NaN come out
/// as they do in scalar code; max and min are NaN where either side is. pow is the C library's in
/// double precision, one element at a time. prelu is a, times b where a is negative.
class Binary : public Generator<Binary> {
public:
    GeneratorParam<Operation> operation{"operation",
                                        Operation::add,
                                        {{"add", Operation::add},
                                         {"sub", Operation::sub},
                                         {"mul", Operation::mul},
                                         {"div", Operation::div},
                                         {"max", Operation::max},
                                         {"min", Operation::min},
                                         {"pow", Operation::pow},
                                         {"prelu", Operation::prelu}}};

    /// (d0, d1, d2, d3), strides any; zero repeats.
    Input<Buffer<float, 4>> a{"a"};
    Input<Buffer<float, 4>> b{"b"};
    /// Dense along d0.
    Output<Buffer<float, 4>> output{"output"};

    void generate() {
        Expr left = a(d0, d1, d2, d3), right = b(d0, d1, d2, d3);
        output(d0, d1, d2, d3) = of(left, right);
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
    Expr of(const Expr& left, const Expr& right) {
        switch (operation) {
            case Operation::add:
                return strict::add(left, right);
            case Operation::sub:
                return strict::sub(left, right);
            case Operation::mul:
                return strict::mul(left, right);
            case Operation::div:
                return strict::div(left, right);
            case Operation::max:
                return max_or_nan(left, right);
            case Operation::min:
                return min_or_nan(left, right);
            case Operation::pow:
                return cast<float>(Halide::pow(cast<double>(left), cast<double>(right)));
            case Operation::prelu:
                return choose(strict::less(left, 0.0f), strict::mul(left, right), left);
        }
        return {};
    }

    Var d0{"d0"}, d1{"d1"}, d2{"d2"}, d3{"d3"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Binary, binary)
