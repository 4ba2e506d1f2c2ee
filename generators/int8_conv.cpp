#include <functional>

#include <Halide.h>

#include "generators/int8_layer.h"
#include "schedules/int8_conv.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// gated_conv on bytes, computed only at the positions of a list:
///
///     sum = bias(k) + conv(input - offset, weights)                    exact, int32
///
/// for each (x, y) of the list. What the input's zero point contributes, the bias takes back.
/// int8_layer.h says what becomes of the sum.
///
/// NHWC. `input` begins at the halo, so that the patch of (x, y) is `kernel` rows of
/// kernel * channel_stride consecutive bytes from (x * stride, y * stride). Of such a row whole
/// groups of `dot` bytes are read, up to three more than it has; for matrices groups of `depth`.
///
/// Instructions that sum two products in 16 bits saturate at 255 * 128 and more. For those a patch
/// is read by a list of steps, of two pairs of bytes each: pairs of weights that could go beyond
/// are parts of two steps that read the same bytes.
class Int8Conv : public Int8Layer<Int8Conv> {
public:
    // Of matrix instructions: bytes that one multiplies and sums for each output; 0 does without.
    GeneratorParam<int> depth{"depth", 0};
    // Shape class; 0 leaves it to run time.
    GeneratorParam<int> kernel{"kernel", 0};
    GeneratorParam<int> channels{"channels", 0};
    // Of matrices, whose patches the kernel has memory for.
    GeneratorParam<int> most_bytes{"most_bytes", 0};
    // Schedule.
    GeneratorParam<int> pixels{"pixels", 6};
    GeneratorParam<int> tail{"tail", 2};
    GeneratorParam<int> vectors{"vectors", 1};
    GeneratorParam<int> unroll{"unroll", 1};
    // Of matrices: how many of them read a block's weights in turn where a layer's are more bytes
    // than a cache holds.
    GeneratorParam<int> matrices{"matrices", 1};
    GeneratorParam<int> cache{"cache", 0};

    /// (x * channel_stride + c, y), halo included.
    Input<Buffer<uint8_t, 2>> input{"input"};
    /// y << 16 | x of the outputs to compute, at least one.
    Input<Buffer<uint32_t, 1>> positions{"positions"};
    /// (k % lanes * dot + i % dot, i / dot, ky, k % block / lanes, k / block) of i = kx *
    /// channel_stride + c, zeros beyond the last i; block = vectors * lanes. A vector's weights lie
    /// together, for matrices with zeros up to a multiple of `depth` behind them; by steps those of
    /// a block's vectors lie side by side: (k % lanes * 4 + byte, step, 0, k % block / lanes, k /
    /// block).
    Input<Buffer<int8_t, 5>> weights{"weights"};
    /// (step, k / block): from the patch's first byte to a step's; unread where there are none.
    Input<Buffer<int32_t, 2>> steps{"steps"};
    Input<int> stride_x{"stride_x"};
    Input<int> stride_y{"stride_y"};
    /// Bytes from a pixel of the input to the next.
    Input<int> channel_stride{"channel_stride"};
    /// (k, x, y), k a multiple of block; u8 or f32.
    Output<Buffer<void, 3>> output{"output"};

    void configure() {
        output.set_type(output_type());
        add_inputs_of_form();
    }

    void generate() {
        Expr row = kernel > 0 && channels > 0
                       ? Expr((int(kernel) * int(channels) + dot - 1) / int(dot))
                       : weights.dim(1).extent();
        Expr rows = kernel > 0 ? Expr(int(kernel)) : weights.dim(2).extent();
        if (has_steps()) {
            row = weights.dim(1).extent();
            rows = 1;
        }
        output(k, col, lin) = undef(output.type());
        if (depth > 0) {
            multiply_matrices(row * int(dot), rows);
            return;
        }
        // A patch row is read in full; where the shape is free, the weights say how long it is.
        taps = RDom(0, int(dot), 0, row, 0, rows, "taps");
        Expr length = positions.dim(0).extent();
        Expr tiles = length / int(pixels), rest = length % int(pixels);
        full = {Func("products"), Func("pairs"), RDom(0, int(pixels), 0, tiles, "tiles"), pixels};
        last = {Func("last_products"), Func("last_pairs"),
                RDom(0, int(tail), 0, (rest + tail - 1) / int(tail), "rest"), tail};
        Expr after = tiles * int(pixels);
        last.list.where(after + last.list.y * int(tail) + last.list.x < length);
        add_tiles(full, [&](Expr tile, Expr pixel) { return tile * int(pixels) + pixel; });
        // The last tile sums up the last position again where it overhangs the list, but writes it
        // once: the output may lie where the residual does.
        add_tiles(last, [&](Expr tile, Expr pixel) {
            return min(after + tile * int(tail) + pixel, length - 1);
        });
    }

    void schedule() {
        begin_inputs_at_zero();
        input.dim(0).set_min(0).dim(1).set_min(0);
        positions.dim(0).set_min(0);
        const int lanes = natural_vector_size<float>();
        const int block = vectors * lanes;
        const int width = lanes * group_bytes();
        weights.dim(0).set_bounds(0, width).dim(1).set_min(0);
        weights.dim(1).set_stride(has_steps() ? int(vectors) * width : width);
        weights.dim(2).set_min(0);
        weights.dim(3).set_bounds(0, vectors);
        if (has_steps()) {
            weights.dim(3).set_stride(width);
        }
        weights.dim(4).set_min(0);
        output.dim(0).set_bounds(0, (output.dim(0).extent() / block) * block);
        output.dim(1).set_min(0).dim(2).set_min(0);
        if (depth > 0) {
            sluice::schedules::schedule_int8_matrices({output, patches, sums, k, i, p, vector, lane,
                                                       rows_read, taps, list, shorter_cases()},
                                                      {vectors, lanes, pixels, depth, most_bytes});
            return;
        }
        steps.dim(0).set_min(0).dim(1).set_min(0);
        sluice::schedules::schedule_int8_conv(
            {output, {full, last}, k, p, half, part, pair, taps, shorter_cases()},
            {vectors, lanes, unroll});
    }

private:
    using Tiles = sluice::schedules::Int8ConvTiles;

    /// Whether patches are read by a list of steps.
    bool has_steps() const { return sum_bits == 16 && depth == 0; }
    /// Bytes of a patch whose weights lie side by side.
    int group_bytes() const { return has_steps() ? 2 * dot : int(dot); }

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
        Expr pixel = channels > 0 ? Expr(int(channels)) : Expr(channel_stride);
        Expr from = entry(tile, p);
        Expr first = column(from) * stride_x * pixel, row = line(from) * stride_y;
        t.products(k, p, tile) = bias(k);
        if (has_steps()) {
            add_pairs(t, first, row);
            t.products(k, p, tile) += cast<int>(t.pairs(taps.x, k, k / block(), p, taps.y, tile));
        } else {
            Expr value = operand(input(first + taps.y * int(dot) + taps.x, row + taps.z));
            Expr weight =
                weights(first_weight() + taps.x, taps.y, taps.z, vector_of(), k / block());
            t.products(k, p, tile) += cast<int>(value) * cast<int>(weight);
        }

        Expr to = entry(t.list.y, t.list.x);
        Expr x = column(to), y = line(to);
        output(k, x, y) = finish(t.products(k, t.list.x, t.list.y), k, x, y);
    }

    /// Of the patch at `first` of a row, a step's products, summed in pairs.
    void add_pairs(Tiles& t, const Expr& first, const Expr& row) {
        Expr byte = half * 2 + pair, bytes = input.dim(1).stride() * input.dim(1).extent();
        Expr start = unsafe_promise_clamped(steps(step, part), 0, bytes - 1);
        Expr value = input(first + start + byte, row);
        Expr weight = weights(first_weight() + byte, step, 0, vector_of(), part);
        t.pairs(half, k, part, p, step, tile) = cast<int16_t>(0);
        Expr sum = t.pairs(half, k, part, p, step, tile);
        t.pairs(half, k, part, p, step, tile) =
            saturating_add(sum, cast<int16_t>(value) * cast<int16_t>(weight));
    }

    int block() const { return int(vectors) * natural_vector_size<float>(); }

    Expr first_weight() { return k % natural_vector_size<float>() * group_bytes(); }
    /// Which of a block's vectors an output is in.
    Expr vector_of() { return k / natural_vector_size<float>() % int(vectors); }

    /// The outputs of the list as products of matrices: the patches of some positions, `bytes` a
    /// row, and a vector's weights.
    void multiply_matrices(const Expr& bytes, const Expr& rows) {
        const int lanes = natural_vector_size<float>(), side = pixels;
        Expr length = positions.dim(0).extent(), all = (length + side - 1) / side;
        Expr is_large = weights.dim(4).stride() * weights.dim(4).extent() > int(cache);
        Expr most = select(is_large, int(matrices), 1), tiles = (all + most - 1) / most;
        // Of a list's tiles all have as many matrices, but for the last one.
        Expr each = min((all + tiles - 1) / tiles, int(matrices));
        Expr depths =
            min((bytes * rows + int(depth) - 1) / int(depth), int(most_bytes) / int(depth));

        // Of a row that ends within a group, the rest is overwritten by the next one. After the
        // last one anything may follow: it meets weights of zero.
        rows_read = RDom(0, (bytes + int(depth) - 1) / int(depth) * int(depth), 0, rows, "rows");
        Expr from = min((tile * each + group) * side + p, length - 1);
        Expr at = unsafe_promise_clamped(rows_read.y * bytes + rows_read.x, 0, most_bytes - 1);
        patches(i, p, group, tile) = undef<uint8_t>();
        patches(at, p, group, tile) = input(column(from) * stride_x * channel_stride + rows_read.x,
                                            line(from) * stride_y + rows_read.y);

        // In the one form of indices that Halide takes for matrices: those of the vectors follow
        // each other in the second dimension.
        taps = RDom(0, int(depth) * depths, "taps");
        Expr place = lane * int(dot) + taps % int(dot);
        Expr step = taps / int(dot) + vector * (depths * (int(depth) / int(dot)));
        sums(lane, p, vector, group, tile) = 0;
        sums(lane, p, vector, group, tile) +=
            cast<int>(patches(taps, p, group, tile)) * cast<int>(weights(place, step, 0, 0, 0));

        list = RDom(0, side, 0, each, 0, tiles, "list");
        Expr to = (list.z * each + list.y) * side + list.x;
        list.where(to < length);
        Expr x = column(to), y = line(to);
        Expr sum = bias(k) + sums(k % lanes, list.x, k / lanes, list.y, list.z);
        output(k, x, y) = finish(sum, k, x, y);
    }

    Var k{"k"}, p{"p"}, tile{"tile"}, col{"col"}, lin{"lin"};
    RDom taps;
    Tiles full, last;
    // Of steps.
    Var half{"half"}, part{"part"}, step{"step"};
    RDom pair{0, 2, "pair"};
    // Of matrices.
    Var i{"i"}, group{"group"}, vector{"vector"}, lane{"lane"};
    Func patches{"patches"}, sums{"sums"};
    RDom rows_read, list;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Int8Conv, int8_conv)
