#include <Halide.h>

#include "generators/quantise.h"
#include "schedules/copy.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// ONNX DequantizeLinear: output = (input - zero) * scale, u8 to float32.
class Dequantize : public Generator<Dequantize> {
public:
    /// (d0, d1, d2, d3), strides any.
    Input<Buffer<uint8_t, 4>> input{"input"};
    Input<float> scale{"scale"};
    Input<int> zero{"zero"};
    /// Strides are any but zero.
    Output<Buffer<float, 4>> output{"output"};

    void generate() {
        output(d0, d1, d2, d3) = strict_float(from_u8(input(d0, d1, d2, d3), zero) * scale);
    }

    void schedule() {
        sluice::schedules::schedule_copy_of(input, output, d0, d1, {natural_vector_size<float>()});
    }

private:
    Var d0{"d0"}, d1{"d1"}, d2{"d2"}, d3{"d3"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Dequantize, dequantize)
