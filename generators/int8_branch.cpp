#include <Halide.h>

#include "generators/int8_epilogue.h"
#include "schedules/int8_branch.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// The low-cost collaborative layer with one map (Dong et al., CVPR 2017, section 3), on bytes:
///
///     sum          = bias + conv(input - offset, weights)                  exact, int32
///     t            = clamp(clamp(sum * multiplier, act_low, act_high), low, high)
///     output(x, y) = round(t) * scale, or t where the layer does not round
///
/// Halves are rounded to even. What the input's zero point contributes, the bias takes back.
///
/// NHWC. `input` begins at the halo, so that the patch of (x, y) is `kernel` rows of
/// kernel * channel_stride consecutive bytes from (x * stride, y * stride).
class Int8Branch : public Generator<Int8Branch> {
public:
    // Of the target, as int8_conv's.
    GeneratorParam<int> dot{"dot", 2};
    GeneratorParam<int> offset{"offset", 0};
    // Schedule.
    GeneratorParam<int> tile{"tile", 8};

    /// (x * channel_stride + c, y), halo included; the channel stride is a multiple of the lanes.
    Input<Buffer<uint8_t, 2>> input{"input"};
    /// (kx * channel_stride + c, ky).
    Input<Buffer<int8_t, 2>> weights{"weights"};
    Input<int> stride_x{"stride_x"};
    Input<int> stride_y{"stride_y"};
    /// Bytes from a pixel of the input to the next.
    Input<int> channel_stride{"channel_stride"};
    /// As int8_conv's.
    Input<int> bias{"bias"};
    Input<float> multiplier{"multiplier"};
    Input<float> act_low{"act_low"};
    Input<float> act_high{"act_high"};
    /// Of a rounded output integers.
    Input<float> low{"low"};
    Input<float> high{"high"};
    /// Not 0: the output is rounded, and times scale.
    Input<int> rounds{"rounds"};
    Input<float> scale{"scale"};
    /// (x, y), strides any.
    Output<Buffer<float, 2>> output{"output"};

    void generate() {
        const int lanes = natural_vector_size<float>();
        // A patch row is so many vectors that fill a register, and so many of the fewest channels.
        const int whole = lanes * dot, least = lanes / dot * dot;
        Expr row = weights.dim(0).extent(), rows = weights.dim(1).extent();
        Expr split = row / whole * whole;
        wide = {Func("wide"), RDom(0, int(dot), 0, whole / dot, 0, row / whole, 0, rows, "wide")};
        narrow = {Func("narrow"),
                  RDom(0, int(dot), 0, least / dot, 0, (row - split) / least, 0, rows, "narrow")};
        add_products(wide, 0, whole);
        add_products(narrow, split, least);

        const Int8Sum of{.sum = bias + wide.products(x, y) + narrow.products(x, y),
                         .multiplier = multiplier,
                         .act_low = act_low,
                         .act_high = act_high,
                         .after_act = {},
                         .gate = {},
                         .after_gate = {}};
        output(x, y) = dequantised(of.value(), low, high, rounds, scale);
    }

    void schedule() {
        input.dim(0).set_min(0).dim(1).set_min(0);
        weights.dim(0).set_min(0).dim(1).set_min(0);
        output.dim(0).set_min(0).set_stride(Expr()).dim(1).set_min(0);
        sluice::schedules::schedule_int8_branch({output, {wide, narrow}, x, y, stride_x}, tile);
    }

private:
    using Part = sluice::schedules::Int8BranchPart;

    /// The part of the dot products that begins at `from` in each row, in vectors of `bytes`.
    void add_products(Part& part, const Expr& from, int bytes) {
        const RDom& taps = part.taps;
        // A tile that overhangs the map computes its last pixel again, and reads nothing beyond.
        Expr column = min(likely(x), output.dim(0).extent() - 1);
        Expr tap = from + taps.z * bytes + taps.y * int(dot) + taps.x;
        Expr value = input(column * stride_x * channel_stride + tap, y * stride_y + taps.w);
        if (offset == 128) {
            value = reinterpret<int8_t>(value ^ cast<uint8_t>(int(offset)));
        }
        part.products(x, y) += cast<int>(value) * cast<int>(weights(tap, taps.w));
    }

    Var x{"x"}, y{"y"};
    Part wide, narrow;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Int8Branch, int8_branch)
