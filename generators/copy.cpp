#include <Halide.h>

#include "schedules/copy.h"

namespace {

using namespace Halide;

/// output(d0, d1, d2, d3) = input(d0, d1, d2, d3), float32, or u8 of which the bits of `flip` are
/// turned (0x80 makes u8 of s8, and back): what remains of a Transpose,
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
        if (is_u8()) {
            flip = add_input<int>("flip");
        }
    }

    void generate() {
        Expr value = input(d0, d1, d2, d3);
        output(d0, d1, d2, d3) = is_u8() ? value ^ cast<uint8_t>(*flip) : value;
    }

    void schedule() {
        sluice::schedules::schedule_copy_of(input, output, d0, d1, {natural_vector_size<float>()});
    }

private:
    bool is_u8() const { return element.value() == UInt(8); }

    Input<int>* flip = nullptr;
    Var d0{"d0"}, d1{"d1"}, d2{"d2"}, d3{"d3"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Copy, copy)
