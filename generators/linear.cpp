#include <Halide.h>

#include "generators/epilogue.h"
#include "schedules/linear.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// output(k) = clamp(sum over i of weights(k, i) * input(i) + bias(k)), float32, one image. The
/// sum is made of `parts` interleaved ones, which lets them run side by side and rounds less.
class Linear : public Generator<Linear> {
public:
    // Schedule.
    GeneratorParam<int> parts{"parts", 4};

    Input<Buffer<float, 1>> input{"input"};
    /// (k % lanes, i, k / lanes), zeros where k is past the last output.
    Input<Buffer<float, 3>> weights{"weights"};
    /// As long as the output.
    Input<Buffer<float, 1>> bias{"bias"};
    Input<float> low{"low"};
    Input<float> high{"high"};
    /// A multiple of lanes long.
    Output<Buffer<float, 1>> output{"output"};

    void generate() {
        const int lanes = natural_vector_size<float>(), count = parts;
        Expr extent = input.dim(0).extent();
        steps = RDom(0, extent / count, "steps");
        rest = RDom(0, extent % count, "rest");
        const auto product = [&](Expr i) { return weights(k % lanes, i, k / lanes) * input(i); };

        partial(k, part) = 0.0f;
        partial(k, part) += product(steps.x * count + part);
        partial(k, 0) += product(extent / count * count + rest.x);

        Expr sum = partial(k, 0);
        for (int i = 1; i < count; ++i) {
            sum += partial(k, i);
        }
        const Epilogue then{.bias = bias(k), .post_low = low, .post_high = high};
        output(k) = then.apply(sum);
    }

    void schedule() {
        const int lanes = natural_vector_size<float>();
        input.dim(0).set_min(0);
        bias.dim(0).set_min(0);
        weights.dim(0).set_bounds(0, lanes).dim(1).set_min(0).set_stride(lanes);
        weights.dim(2).set_min(0);
        output.dim(0).set_bounds(0, (output.dim(0).extent() / lanes) * lanes);
        partial.bound(part, 0, parts);
        sluice::schedules::schedule_linear({output, partial, k, part, steps, rest}, {lanes, parts});
    }

private:
    Var k{"k"}, part{"part"};
    Func partial{"partial"};
    RDom steps, rest;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Linear, linear)
