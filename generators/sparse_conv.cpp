#include <Halide.h>

#include "generators/epilogue.h"
#include "schedules/sparse_conv.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// gated_conv for 3x3 kernels of stride 1 and pads of 1 over the output of a gated layer, which
/// holds one value per channel, `skipped`, wherever its gate is zero. As conv(x) = conv(x -
/// skipped)
/// + conv(skipped), whose second term is known when the plan is made, products are computed for the
/// pairs of an active input and an active output alone, which `kernel_map` lists a tap: gather,
/// GEMM, accumulate, as in submanifold sparse convolutions (Graham et al., CVPR 2018, section 3.1).
///
///     sums(k, x, y) = border(k, x, y) + the sum over the pairs of (x, y), each of a tap,
///                                       of weights(k, tap) * input - skipped(k, tap)
///     output(k, x, y) = post(scale(k) * (act(sums(k, x, y)) * gate) + shift(k)
///                            + residual(k, x, y))      for each (x, y) of the list
///
/// float32, NHWC. `input` begins at the halo.
class SparseConv : public Generator<SparseConv> {
public:
    // Shape class.
    GeneratorParam<int> kernel{"kernel", 3, 3, 3};
    GeneratorParam<int> channels{"channels", 16};
    // Schedule.
    GeneratorParam<int> pixels{"pixels", 6};
    GeneratorParam<int> vectors{"vectors", 1};
    GeneratorParam<int> unroll{"unroll", 1};

    /// (x * channels + c, y), halo included, rows a multiple of the channels apart; read as one
    /// row.
    Input<Buffer<float, 2>> input{"input"};
    /// y << 16 | x of the outputs to compute, at least one.
    Input<Buffer<uint32_t, 1>> positions{"positions"};
    /// (pair, tap) and [13], as `kernel_map` writes them for `pixels`.
    Input<Buffer<uint32_t, 2>> pairs{"pairs"};
    Input<Buffer<int32_t, 1>> counts{"counts"};
    /// (k % lanes, kx * channels + c, ky, k / lanes).
    Input<Buffer<float, 4>> weights{"weights"};
    /// (k, x, y): the bias and the convolution of `skipped` in the first column or row, in those
    /// between, and in the last.
    Input<Buffer<float, 3>> borders{"borders"};
    /// (k, tap): the weights' product with `skipped`.
    Input<Buffer<float, 2>> skipped{"skipped"};
    /// (k, row): gated_conv's, row 1 scale, 2 shift; row 0 is not read.
    Input<Buffer<float, 2>> epilogue{"epilogue"};
    /// (0, x, y).
    Input<Buffer<float, 3>> gate{"gate"};
    /// (k, x, y); strides of zero over a row of zeros where there is none.
    Input<Buffer<float, 3>> residual{"residual"};
    Input<float> act_low{"act_low"};
    Input<float> act_high{"act_high"};
    Input<float> post_low{"post_low"};
    Input<float> post_high{"post_high"};
    /// Scratch, (k % block, y * row + x, k / block), block = vectors * lanes, `row` pixels a row of
    /// the input.
    Output<Buffer<float, 3>> sums{"sums"};
    /// (k, x, y), k a multiple of block; width and height at least 2.
    Output<Buffer<float, 3>> output{"output"};

    void generate() {
        const int lanes = natural_vector_size<float>(), block = vectors * lanes;
        Expr length = positions.dim(0).extent();
        Expr row = input.dim(1).stride() / int(channels);

        begin = RDom(0, block, 0, length, "begin");
        Expr from_x = column(begin.y), from_y = line(begin.y);
        sums(lane, at, group) = undef<float>();
        sums(begin.x, from_y * row + from_x, group) =
            borders(group * block + begin.x, side(from_x, output.dim(1).extent()),
                    side(from_y, output.dim(2).extent()));

        // No tap has more pairs than there are outputs.
        list = RDom(0, int(pixels), 0, (length + int(pixels) - 1) / int(pixels), 0, 9, "list");
        list.where(list.y * int(pixels) < counts(list.z));
        reduction = RDom(0, int(channels), "channels");
        Expr input_pixel = pixel(tile * int(pixels) + p, tap) + tap % 3;
        products(lane, p, tile, tap, group) = -skipped(group * block + lane, tap);
        products(lane, p, tile, tap, group) +=
            weights(lane % lanes, tap % 3 * int(channels) + reduction, tap / 3,
                    group * int(vectors) + lane / lanes) *
            input(input_pixel * int(channels) + reduction, tap / 3);
        sums(lane, pixel(list.y * int(pixels) + list.x, list.z), group) +=
            products(lane, list.x, list.y, list.z, group);

        finish = RDom(0, length, "finish");
        Expr x = column(finish), y = line(finish);
        output(k, col, lin) = undef<float>();
        const Epilogue then{.act_low = act_low,
                            .act_high = act_high,
                            .gate = gate_value(Gate::position, gate, k, x, y),
                            .scale = epilogue(k, 1),
                            .shift = epilogue(k, 2),
                            .residual = residual(k, x, y),
                            .post_low = post_low,
                            .post_high = post_high};
        output(k, x, y) = then.apply(sums(k % block, y * row + x, k / block));
    }

    void schedule() {
        const int lanes = natural_vector_size<float>();
        const int block = vectors * lanes;
        for (auto* buffer : {&gate, &residual}) {
            buffer->dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        }
        input.dim(0).set_min(0).dim(1).set_min(0);
        positions.dim(0).set_min(0);
        pairs.dim(0).set_min(0).dim(1).set_bounds(0, 9);
        counts.dim(0).set_bounds(0, 13);
        const int taps_row = 3 * channels;
        weights.dim(0).set_bounds(0, lanes).dim(1).set_bounds(0, taps_row).set_stride(lanes);
        weights.dim(2).set_bounds(0, 3).set_stride(taps_row * lanes).dim(3).set_min(0);
        borders.dim(0).set_min(0).dim(1).set_bounds(0, 3).dim(2).set_bounds(0, 3);
        skipped.dim(0).set_min(0).dim(1).set_bounds(0, 9);
        epilogue.dim(0).set_min(0).dim(1).set_min(0);
        sums.dim(0).set_bounds(0, block).dim(1).set_min(0).set_stride(block).dim(2).set_min(0);
        output.dim(0).set_bounds(0, (output.dim(0).extent() / block) * block);
        output.dim(1).set_min(0).dim(2).set_min(0);
        sluice::schedules::schedule_sparse_conv(
            {sums, products, output, lane, group, k, p, begin, list, reduction, finish},
            {vectors, lanes, unroll});
    }

private:
    Expr column(Expr entry) {
        return unsafe_promise_clamped(cast<int>(positions(entry) & 0xffff), 0,
                                      output.dim(1).extent() - 1);
    }
    Expr line(Expr entry) {
        return unsafe_promise_clamped(cast<int>(positions(entry) >> 16), 0,
                                      output.dim(2).extent() - 1);
    }
    Expr pixel(Expr pair, Expr of_tap) {
        return unsafe_promise_clamped(cast<int>(pairs(pair, of_tap)), 0, sums.dim(1).extent() - 1);
    }
    static Expr side(Expr place, Expr extent) {
        return cast<int>(place > 0) + cast<int>(place == extent - 1);
    }

    Var lane{"lane"}, at{"at"}, group{"group"}, k{"k"}, col{"col"}, lin{"lin"};
    Var p{"p"}, tile{"tile"}, tap{"tap"};
    Func products{"products"};
    RDom begin, list, reduction, finish;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(SparseConv, sparse_conv)
