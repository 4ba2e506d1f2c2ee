#include <algorithm>

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
/// kernel * channel_stride consecutive bytes from (x * stride, y * stride). Of such a row whole
/// steps of `bytes` are read, up to bytes - 1 more than it has.
class Int8Branch : public Generator<Int8Branch> {
public:
    // Of the target, as int8_conv's.
    GeneratorParam<int> dot{"dot", 2};
    GeneratorParam<int> offset{"offset", 0};
    GeneratorParam<int> sum_bits{"sum_bits", 0};  // bytes are widened: it is not used
    // Shape class, of stride 1, whose maps are at least a tile wide; 0 leaves it to run time.
    GeneratorParam<int> kernel{"kernel", 0};
    GeneratorParam<int> channels{"channels", 0};
    // Schedule.
    GeneratorParam<int> tile{"tile", 8};
    GeneratorParam<int> rows{"rows", 1};     // of a tile, where the channels are known
    GeneratorParam<int> bytes{"bytes", 16};  // of a patch row a step, for each pixel

    /// (x * channel_stride + c, y), halo included.
    Input<Buffer<uint8_t, 2>> input{"input"};
    /// (kx * channel_stride + c, ky), zeros after each row up to a multiple of `bytes`.
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
        const bool is_class = channels > 0;
        Expr window = is_class ? Expr(int(kernel)) : weights.dim(1).extent();
        // Of a patch row whole steps, or where few channels are known a pixel a step.
        Expr steps = is_class ? Expr(int(kernel)) : weights.dim(0).extent() / int(bytes);
        const int step = is_class ? channels : bytes;
        taps = RDom(0, int(dot), 0, step / int(dot), 0, steps, 0, window, "taps");
        // A tile that overhangs the map computes its last pixels again, and reads nothing beyond.
        // Where the channels are known the last tile of a row lies within the map, because loads
        // of single pixels cost more than all other tiles.
        Expr column = min(likely(x), output.dim(0).extent() - 1);
        Expr line = rows > 1 ? min(likely(y), output.dim(1).extent() - 1) : Expr(y);
        Expr tap = taps.z * step + taps.y * int(dot) + taps.x;
        Expr value = is_class
                         ? input(x * int(channels) + tap, line + taps.w)
                         : input(column * stride_x * channel_stride + tap, y * stride_y + taps.w);
        if (offset == 128) {
            value = reinterpret<int8_t>(value ^ cast<uint8_t>(int(offset)));
        }
        products(x, y) += cast<int>(value) * cast<int>(weights(tap, taps.w));

        const Int8Sum of{.sum = bias + products(x, y),
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
        const int pixels = channels > 0 ? std::max(int(bytes) / int(channels), 1) : 1;
        sluice::schedules::schedule_int8_branch({output, products, x, y, taps, stride_x},
                                                {tile, rows, pixels, kernel});
    }

private:
    Var x{"x"}, y{"y"};
    Func products{"products"};
    RDom taps;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Int8Branch, int8_branch)
