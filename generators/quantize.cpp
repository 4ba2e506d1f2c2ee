#include <Halide.h>

#include "generators/quantise.h"
#include "schedules/copy.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// ONNX QuantizeLinear: output = clip(round(input / scale) + zero), round half to even, float32 to
/// u8. NaN gives the lowest value.
class Quantize : public Generator<Quantize> {
public:
    /// (d0, d1, d2, d3), strides any.
    Input<Buffer<float, 4>> input{"input"};
    Input<float> scale{"scale"};
    Input<int> zero{"zero"};
    /// Integers: the bounds of the output less the zero point.
    Input<float> low{"low"};
    Input<float> high{"high"};
    /// Strides are any but zero.
    Output<Buffer<uint8_t, 4>> output{"output"};

    void generate() {
        output(d0, d1, d2, d3) = to_u8(input(d0, d1, d2, d3) / scale, low, high, zero);
    }

    void schedule() {
        sluice::schedules::schedule_copy_of(input, output, d0, d1, {natural_vector_size<float>()});
    }

private:
    Var d0{"d0"}, d1{"d1"}, d2{"d2"}, d3{"d3"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Quantize, quantize)
