#include <Halide.h>

#include "generators/epilogue.h"
#include "schedules/dot_conv.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// A convolution of single elements, each a dot product of a patch and one channel's weights: for
/// gates per element (Dong et al., CVPR 2017, section 3, the 1x1 LCCL), whose active ones share no
/// position to make a GEMM of:
///
///     output(k, x, y) = post(scale(k) * (act(conv(k, x, y) + bias(k)) * gate(k, x, y)) + shift(k)
///                            + residual(k, x, y))        for each (k, x, y) of the list
///
/// float32, NHWC. `input` begins at the halo, so that the patch of (x, y) is `kernel` rows of
/// kernel * channel_stride consecutive values from (x * stride, y * stride).
class DotConv : public Generator<DotConv> {
public:
    // Shape class; 0 leaves it to run time.
    GeneratorParam<int> kernel{"kernel", 0};
    GeneratorParam<int> channels{"channels", 0};
    // Schedule.
    GeneratorParam<int> elements{"elements", 8};
    GeneratorParam<int> unroll{"unroll", 1};

    /// (x * channel_stride + c, y), halo included; the channel stride is a multiple of the lanes.
    Input<Buffer<float, 2>> input{"input"};
    /// (tile, i, row): of the tile's `elements` elements the channels in row 0, and in row 1 the
    /// position that they share, y << 16 | x.
    Input<Buffer<uint32_t, 3>> list{"list"};
    /// (kx * channel_stride + c, ky, k).
    Input<Buffer<float, 3>> weights{"weights"};
    /// (k, row): row 0 bias, 1 scale, 2 shift.
    Input<Buffer<float, 2>> epilogue{"epilogue"};
    /// (k, x, y).
    Input<Buffer<float, 3>> gate{"gate"};
    /// (k, x, y); strides of zero over a row of zeros where there is none.
    Input<Buffer<float, 3>> residual{"residual"};
    Input<int> stride_x{"stride_x"};
    Input<int> stride_y{"stride_y"};
    /// Floats from a pixel of the input to the next.
    Input<int> channel_stride{"channel_stride"};
    Input<float> act_low{"act_low"};
    Input<float> act_high{"act_high"};
    Input<float> post_low{"post_low"};
    Input<float> post_high{"post_high"};
    /// (k, x, y).
    Output<Buffer<float, 3>> output{"output"};

    void generate() {
        const int lanes = natural_vector_size<float>();
        Expr pixel = channels > 0 ? Expr(int(channels)) : Expr(channel_stride);
        // A patch row is read in full; where the shape is free, the weights say how long it is.
        Expr vectors = kernel > 0 && channels > 0 ? Expr(int(kernel) * int(channels) / lanes)
                                                  : weights.dim(0).extent() / lanes;
        Expr rows = kernel > 0 ? Expr(int(kernel)) : weights.dim(1).extent();
        taps = RDom(0, lanes, 0, vectors, 0, rows, "taps");
        tiles = RDom(0, int(elements), 0, list.dim(0).extent(), "tiles");

        Expr tap = taps.y * lanes + taps.x;
        products(i, t) += input(column(t) * stride_x * pixel + tap, line(t) * stride_y + taps.z) *
                          weights(tap, taps.z, channel(t, i));

        Expr k = channel(tiles.y, tiles.x), x = column(tiles.y), y = line(tiles.y);
        const Epilogue then{.bias = epilogue(k, 0),
                            .act_low = act_low,
                            .act_high = act_high,
                            .gate = gate_value(Gate::element, gate, k, x, y),
                            .scale = epilogue(k, 1),
                            .shift = epilogue(k, 2),
                            .residual = residual(k, x, y),
                            .post_low = post_low,
                            .post_high = post_high};
        output(i, col, lin) = undef<float>();
        output(k, x, y) = then.apply(products(tiles.x, tiles.y));
    }

    void schedule() {
        for (auto* buffer : {&gate, &residual}) {
            buffer->dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        }
        input.dim(0).set_min(0).dim(1).set_min(0);
        list.dim(0).set_min(0).set_stride(int(elements));
        list.dim(1).set_bounds(0, int(elements)).set_stride(1);
        list.dim(2).set_bounds(0, 2);
        weights.dim(0).set_min(0).dim(1).set_min(0);
        weights.dim(2).set_min(0);
        epilogue.dim(0).set_min(0).dim(1).set_min(0);
        output.dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        sluice::schedules::schedule_dot_conv({output, products, i, t, taps, tiles},
                                             {elements, unroll});
    }

private:
    Expr channel(Expr tile, Expr element) {
        return unsafe_promise_clamped(cast<int>(list(tile, element, 0)), 0,
                                      output.dim(0).extent() - 1);
    }
    Expr column(Expr tile) {
        return unsafe_promise_clamped(cast<int>(list(tile, 0, 1) & 0xffff), 0,
                                      output.dim(1).extent() - 1);
    }
    Expr line(Expr tile) {
        return unsafe_promise_clamped(cast<int>(list(tile, 0, 1) >> 16), 0,
                                      output.dim(2).extent() - 1);
    }

    Var i{"i"}, t{"t"}, col{"col"}, lin{"lin"};
    Func products{"products"};
    RDom taps, tiles;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(DotConv, dot_conv)
