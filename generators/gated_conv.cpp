#include <functional>

#include <Halide.h>

#include "generators/epilogue.h"
#include "generators/last_activation.h"
#include "schedules/gated_conv.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// A convolution computed only where its gate is active, as an indirect GEMM over a list of
/// positions (Dong et al., CVPR 2017, section 3: the LCCL's zeros say which outputs need no
/// convolution):
///
///     output(k, x, y) = last(post(scale(k) * (act(conv(k, x, y) + bias(k)) * gate) + shift(k)
///                                 + residual(k, x, y)))        for each (x, y) of the list
///
/// float32, NHWC. `input` begins at the halo, so that the patch of (x, y) is `kernel` rows, each of
/// runs of consecutive values, from (x * stride, y * stride): of a dense layer without dilation one
/// run of kernel * channel_stride values, else a run for each column, of the channels that a block
/// of outputs reads.
class GatedConv : public Generator<GatedConv> {
public:
    GeneratorParam<Gate> gating{"gating", Gate::position, gate_names};
    // Shape class; 0 leaves it to run time.
    GeneratorParam<int> kernel{"kernel", 0};
    GeneratorParam<int> channels{"channels", 0};
    // Schedule.
    GeneratorParam<int> pixels{"pixels", 6};
    GeneratorParam<int> tail{"tail", 2};
    GeneratorParam<int> vectors{"vectors", 1};
    GeneratorParam<int> unroll{"unroll", 1};

    /// (x * channel_stride + c, y), halo included.
    Input<Buffer<float, 2>> input{"input"};
    /// y << 16 | x of the outputs to compute, at least one.
    Input<Buffer<uint32_t, 1>> positions{"positions"};
    /// (k % lanes, value of a run, run, ky, k / lanes). Where the shape class has channels there is
    /// one run.
    Input<Buffer<float, 5>> weights{"weights"};
    /// (k / block), block = vectors * lanes: the first channel that the block reads. Kernels that
    /// have channels read 0.
    Input<Buffer<int32_t, 1>> starts{"starts"};
    /// (k, row): row 0 bias, 1 scale, 2 shift.
    Input<Buffer<float, 2>> epilogue{"epilogue"};
    /// (k, x, y); position gates are read at k = 0, unread where gating is none.
    Input<Buffer<float, 3>> gate{"gate"};
    /// (k, x, y); strides of zero over a row of zeros where there is none.
    Input<Buffer<float, 3>> residual{"residual"};
    Input<int> stride_x{"stride_x"};
    Input<int> stride_y{"stride_y"};
    /// Floats from a pixel of the input to the next, and from a run of a patch's row to the next.
    Input<int> channel_stride{"channel_stride"};
    Input<int> run_stride{"run_stride"};
    /// Rows of the input from a row of a patch to the next.
    Input<int> row_step{"row_step"};
    Input<float> act_low{"act_low"};
    Input<float> act_high{"act_high"};
    Input<float> post_low{"post_low"};
    Input<float> post_high{"post_high"};
    /// Whether act, scale, shift and residual change nothing; LastActivation and its parameters.
    /// Unread where there is a gate.
    Input<int> is_plain{"is_plain"};
    Input<int> activation{"activation"};
    Input<float> activation_alpha{"activation_alpha"};
    Input<float> activation_beta{"activation_beta"};
    /// (k, x, y), k a multiple of block.
    Output<Buffer<float, 3>> output{"output"};

    void generate() {
        // A run is read in full; where the shape is free, the weights say how long it is.
        Expr run = kernel > 0 && channels > 0 ? Expr(int(kernel) * int(channels))
                                              : weights.dim(1).extent();
        Expr runs = channels > 0 ? Expr(1) : weights.dim(2).extent();
        Expr rows = kernel > 0 ? Expr(int(kernel)) : weights.dim(3).extent();
        taps = RDom(0, run, 0, runs, 0, rows, "taps");
        Expr length = positions.dim(0).extent();
        Expr tiles = length / int(pixels), rest = length % int(pixels);
        full = {Func("products"), RDom(0, int(pixels), 0, tiles, "tiles"), pixels};
        last = {Func("last_products"), RDom(0, int(tail), 0, (rest + tail - 1) / int(tail), "rest"),
                tail};
        Expr after = tiles * int(pixels);
        last.list.where(after + last.list.y * int(tail) + last.list.x < length);
        output(k, col, lin) = undef<float>();
        add_tiles(full, [&](Expr tile, Expr pixel) { return tile * int(pixels) + pixel; });
        // The last tile sums up the last position again where it overhangs the list, but writes it
        // once: the output may lie where the residual does.
        add_tiles(last, [&](Expr tile, Expr pixel) {
            return min(after + tile * int(tail) + pixel, length - 1);
        });
    }

    void schedule() {
        for (auto* buffer : {&gate, &residual}) {
            buffer->dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        }
        input.dim(0).set_min(0).dim(1).set_min(0);
        positions.dim(0).set_min(0);
        const int lanes = natural_vector_size<float>();
        const int block = vectors * lanes;
        weights.dim(0).set_bounds(0, lanes).dim(1).set_min(0).set_stride(lanes);
        weights.dim(2).set_min(0);
        weights.dim(3).set_min(0);
        weights.dim(4).set_min(0);
        starts.dim(0).set_min(0);
        epilogue.dim(0).set_min(0).dim(1).set_min(0);
        output.dim(0).set_bounds(0, (output.dim(0).extent() / block) * block);
        output.dim(1).set_min(0).dim(2).set_min(0);
        sluice::schedules::schedule_gated_conv({output, {full, last}, k, p, taps},
                                               {vectors, lanes, unroll});
    }

private:
    using Tiles = sluice::schedules::GatedConvTiles;

    Expr column(Expr entry) {
        return unsafe_promise_clamped(cast<int>(positions(entry) & 0xffff), 0,
                                      output.dim(1).extent() - 1);
    }
    Expr line(Expr entry) {
        return unsafe_promise_clamped(cast<int>(positions(entry) >> 16), 0,
                                      output.dim(2).extent() - 1);
    }

    /// The outputs of some tiles of the list; `entry` gives the list's index of a tile's pixel.
    void add_tiles(Tiles& t, const std::function<Expr(Expr tile, Expr pixel)>& entry) {
        const int lanes = natural_vector_size<float>(), block = vectors * lanes;
        Expr pixel = channels > 0 ? Expr(int(channels)) : Expr(channel_stride);
        Expr from = entry(tile, p);
        t.products(k, p, tile) = epilogue(k, 0);
        Expr at = column(from) * stride_x * pixel + taps.x, row = line(from) * stride_y;
        if (channels > 0) {
            row += taps.z;
        } else {
            at += unsafe_promise_clamped(starts(k / block), 0, channel_stride - 1) +
                  taps.y * run_stride;
            row += taps.z * row_step;
        }
        t.products(k, p, tile) +=
            weights(k % lanes, taps.x, taps.y, taps.z, k / lanes) * input(at, row);

        Expr to = entry(t.list.y, t.list.x);
        Expr x = column(to), y = line(to);
        const Epilogue then{.act_low = act_low,
                            .act_high = act_high,
                            .gate = gate_value(gating, gate, k, x, y),
                            .scale = epilogue(k, 1),
                            .shift = epilogue(k, 2),
                            .residual = residual(k, x, y),
                            .post_low = post_low,
                            .post_high = post_high};
        const UngatedEnd end{is_plain, activation, activation_alpha, activation_beta};
        output(k, x, y) = end.apply(gating, then, t.products(k, t.list.x, t.list.y));
    }

    Var k{"k"}, p{"p"}, tile{"tile"}, col{"col"}, lin{"lin"};
    RDom taps;
    Tiles full, last;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(GatedConv, gated_conv)
