#include <Halide.h>

#include "schedules/softmax.h"

namespace {

using namespace Halide;

/// output(i, a, o) = exp(input(i, a, o) - peak) / sum of the same over a, peak the maximum over a,
/// float32: no exponent is positive, so that nothing overflows. Where an input is NaN, the largest
/// is infinity or all are minus infinity, a difference is NaN, then the sum, then all outputs. exp
/// is computed twice, because a kernel has no memory to keep it in.
class Softmax : public Generator<Softmax> {
public:
    /// (inner, axis, outer), strides any.
    Input<Buffer<float, 3>> input{"input"};
    Output<Buffer<float, 3>> output{"output"};

    void generate() {
        const int parts = natural_vector_size<float>();
        Expr extent = input.dim(1).extent();
        steps = RDom(0, extent / parts, "steps");
        rest = RDom(0, extent % parts, "rest");
        Expr whole = steps.x * parts + part, last = extent / parts * parts + rest.x;
        const auto from_peak = [&](Expr a) { return input(inner, a, outer) - peak(inner, outer); };
        // Below -100 exp is zero in float32; infinities would leave exp's domain.
        const auto power = [&](Expr a) { return exp(max(from_peak(a), -100.0f)); };
        // exp of NaN is none.
        const auto term = [&](Expr a) {
            return strict_float(select(is_nan(from_peak(a)), from_peak(a), power(a)));
        };

        peaks(part, inner, outer) = Float(32).min();
        peaks(part, inner, outer) = max(peaks(part, inner, outer), input(inner, whole, outer));
        peaks(0, inner, outer) = max(peaks(0, inner, outer), input(inner, last, outer));
        Expr most = peaks(0, inner, outer);
        for (int i = 1; i < parts; ++i) {
            most = max(most, peaks(i, inner, outer));
        }
        peak(inner, outer) = most;

        sums(part, inner, outer) = 0.0f;
        sums(part, inner, outer) += term(whole);
        sums(0, inner, outer) += term(last);
        Expr total = sums(0, inner, outer);
        for (int i = 1; i < parts; ++i) {
            total += sums(i, inner, outer);
        }
        sum(inner, outer) = total;

        output(inner, axis, outer) = power(axis) / sum(inner, outer);
    }

    void schedule() {
        const int parts = natural_vector_size<float>();
        input.dim(0).set_stride(Expr());
        output.dim(0).set_stride(Expr());
        for (int i = 0; i < 3; ++i) {
            input.dim(i).set_min(0);
            output.dim(i).set_min(0);
        }
        peaks.bound(part, 0, parts);
        sums.bound(part, 0, parts);
        sluice::schedules::schedule_softmax(
            {output, peaks, peak, sums, sum, part, inner, axis, outer, steps, rest,
             input.dim(1).stride(), output.dim(1).stride()},
            {parts});
    }

private:
    Var part{"part"}, inner{"inner"}, axis{"axis"}, outer{"outer"};
    Func peaks{"peaks"}, peak{"peak"}, sums{"sums"}, sum{"sum"};
    RDom steps, rest;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Softmax, softmax)
