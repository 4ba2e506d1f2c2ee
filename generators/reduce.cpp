#include <Halide.h>

#include "generators/elementary.h"
#include "schedules/reduce.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

enum class Operation { sum, max, min };
enum class Vectors { kept, reduced };

/// output(k0, k1) = the sum over r0 and r1 of input(k0, k1, r0, r1), over the divisor; or the
/// maximum or minimum, which is NaN where an element is. float32. Sums are made of as many as a
/// vector has lanes, for each r1 anew: errors grow with the extents' sum instead of their product.
class Reduce : public Generator<Reduce> {
public:
    GeneratorParam<Operation> operation{
        "operation",
        Operation::sum,
        {{"sum", Operation::sum}, {"max", Operation::max}, {"min", Operation::min}}};
    /// Schedule: along k0, or along r0.
    GeneratorParam<Vectors> vectors{
        "vectors", Vectors::kept, {{"kept", Vectors::kept}, {"reduced", Vectors::reduced}}};

    /// Strides any.
    Input<Buffer<float, 4>> input{"input"};
    Input<float> divisor{"divisor"};
    Output<Buffer<float, 2>> output{"output"};

    void generate() {
        const int parts = natural_vector_size<float>();
        Expr extent = input.dim(2).extent();
        steps = RDom(0, extent / parts, "steps");
        rest = RDom(0, extent % parts, "rest");
        rows = RDom(0, input.dim(3).extent(), "rows");
        const auto element = [&](Expr at) { return input(k0, k1, at, r1); };

        partial(part, k0, k1, r1) = first();
        partial(part, k0, k1, r1) =
            join(partial(part, k0, k1, r1), element(steps.x * parts + part));
        partial(0, k0, k1, r1) =
            join(partial(0, k0, k1, r1), element(extent / parts * parts + rest.x));
        Expr all = partial(0, k0, k1, r1);
        for (int i = 1; i < parts; ++i) {
            all = join(all, partial(i, k0, k1, r1));
        }
        row(k0, k1, r1) = all;

        total(k0, k1) = first();
        total(k0, k1) = join(total(k0, k1), row(k0, k1, rows.x));
        output(k0, k1) = operation == Operation::sum ? total(k0, k1) / divisor : total(k0, k1);
    }

    void schedule() {
        const int parts = natural_vector_size<float>();
        input.dim(0).set_stride(Expr());
        output.dim(0).set_stride(Expr());
        for (int i = 0; i < 4; ++i) {
            input.dim(i).set_min(0);
        }
        output.dim(0).set_min(0).dim(1).set_min(0);
        partial.bound(part, 0, parts);
        const sluice::schedules::ReduceFuncs funcs{output,
                                                   total,
                                                   row,
                                                   partial,
                                                   k0,
                                                   part,
                                                   steps,
                                                   rest,
                                                   output.dim(0).extent(),
                                                   input.dim(0).stride(),
                                                   output.dim(0).stride(),
                                                   input.dim(2).stride()};
        if (vectors == Vectors::kept) {
            sluice::schedules::schedule_reduce_kept(funcs, {parts});
        } else {
            sluice::schedules::schedule_reduce_along(funcs, {parts});
        }
    }

private:
    Expr first() const {
        const float infinity = std::numeric_limits<float>::infinity();
        return operation == Operation::sum   ? 0.0f
               : operation == Operation::max ? -infinity
                                             : infinity;
    }
    Expr join(const Expr& a, const Expr& b) const {
        return operation == Operation::sum   ? a + b
               : operation == Operation::max ? max_or_nan(a, b)
                                             : min_or_nan(a, b);
    }

    Var k0{"k0"}, k1{"k1"}, r1{"r1"}, part{"part"};
    Func partial{"partial"}, row{"row"}, total{"total"};
    RDom steps, rest, rows;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Reduce, reduce)
