#include <Halide.h>

#include "generators/epilogue.h"
#include "schedules/branch.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// The low-cost collaborative layer with one map (Dong et al., CVPR 2017, section 3): a convolution
/// to a single output channel, whose zeros say which outputs of the layer beside it are skipped:
///
///     output(x, y) = clamp(conv(x, y) + bias, act_low, act_high)
///
/// float32, NHWC. `input` begins at the halo, so that the patch of (x, y) is `kernel` rows of
/// kernel * channel_stride consecutive values from (x * stride, y * stride).
class Branch : public Generator<Branch> {
public:
    // Shape class; 0 leaves it to run time.
    GeneratorParam<int> kernel{"kernel", 0};
    GeneratorParam<int> channels{"channels", 0};
    // Schedule.
    GeneratorParam<int> tile{"tile", 8};
    GeneratorParam<int> unroll{"unroll", 1};

    /// (x * channel_stride + c, y), halo included.
    Input<Buffer<float, 2>> input{"input"};
    /// (kx * channel_stride + c, ky); the channel stride is a multiple of the lanes.
    Input<Buffer<float, 2>> weights{"weights"};
    Input<int> stride_x{"stride_x"};
    Input<int> stride_y{"stride_y"};
    /// Floats from a pixel of the input to the next.
    Input<int> channel_stride{"channel_stride"};
    Input<float> bias{"bias"};
    Input<float> act_low{"act_low"};
    Input<float> act_high{"act_high"};
    /// (x, y), strides any.
    Output<Buffer<float, 2>> output{"output"};

    void generate() {
        const int lanes = natural_vector_size<float>();
        Expr pixel = channels > 0 ? Expr(int(channels)) : Expr(channel_stride);
        // A patch row is read in full; where the shape is free, the weights say how long it is.
        Expr vectors = kernel > 0 && channels > 0 ? Expr(int(kernel) * int(channels) / lanes)
                                                  : weights.dim(0).extent() / lanes;
        Expr rows = kernel > 0 ? Expr(int(kernel)) : weights.dim(1).extent();
        taps = RDom(0, lanes, 0, vectors, 0, rows, "taps");

        // A tile that overhangs the map computes its last pixel again, and reads nothing beyond.
        Expr column = min(likely(x), output.dim(0).extent() - 1);
        Expr tap = taps.y * lanes + taps.x;
        products(x, y) +=
            input(column * stride_x * pixel + tap, y * stride_y + taps.z) * weights(tap, taps.z);
        const Epilogue then{.bias = bias, .act_low = act_low, .act_high = act_high};
        output(x, y) = then.apply(products(x, y));
    }

    void schedule() {
        input.dim(0).set_min(0).dim(1).set_min(0);
        weights.dim(0).set_min(0).dim(1).set_min(0);
        output.dim(0).set_min(0).set_stride(Expr()).dim(1).set_min(0);
        sluice::schedules::schedule_branch({output, products, x, y, taps, stride_x},
                                           {tile, unroll});
    }

private:
    Var x{"x"}, y{"y"};
    Func products{"products"};
    RDom taps;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Branch, branch)
