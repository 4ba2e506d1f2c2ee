#include <functional>
#include <map>
#include <string>
#include <vector>

#include <Halide.h>

#include "generators/epilogue.h"
#include "generators/int8_epilogue.h"
#include "schedules/int8_conv.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// What the kernel writes: bytes; bytes after roundings within the layer; floats.
enum class Form { bytes, staged, floats };

const std::map<std::string, Form> form_names = {
    {"bytes", Form::bytes}, {"staged", Form::staged}, {"floats", Form::floats}};

/// gated_conv on bytes, computed only at the positions of a list:
///
///     sum            = bias(k) + conv(input - offset, weights)                     exact, int32
///     t              = clamp(sum * multiplier(k), act_low, act_high) * gate + shift(k)
///                      + (residual(k, x, y) - residual_zero) * residual_scale      float32
///     output(k, x, y) = round(clamp(t, low, high)) + zero           for each (x, y) of the list
///
/// Halves are rounded to even. What the input's zero point contributes, the bias takes back. The
/// staged form rounds between the clamp and the gate, and between the gate and the shift, as
/// int8_epilogue.h's Rounding. So does that of floats, which has as output(k, x, y)
/// clamp(t, low, high), or rounded and times `scale`.
///
/// NHWC. `input` begins at the halo, so that the patch of (x, y) is `kernel` rows of
/// kernel * channel_stride consecutive bytes from (x * stride, y * stride). Of such a row whole
/// groups of `dot` bytes are read, up to three more than it has; for matrices groups of `depth`.
///
/// Instructions that sum two products in 16 bits saturate at 255 * 128 and more. For those a patch
/// is read by a list of steps, of `dot` bytes each: pairs of weights that could go beyond are parts
/// of two steps that read the same bytes.
class Int8Conv : public Generator<Int8Conv> {
public:
    GeneratorParam<Gate> gating{"gating", Gate::position, gate_names};
    GeneratorParam<Form> form{"form", Form::bytes, form_names};
    // Of the target: bytes that an instruction multiplies and sums for each of its lanes, and what
    // is subtracted from an input, so that instructions on signed bytes take it (0 or 128).
    GeneratorParam<int> dot{"dot", 2};
    GeneratorParam<int> offset{"offset", 0};
    // Likewise: 16 where an instruction sums two products in so many bits; 0: in 32.
    GeneratorParam<int> sum_bits{"sum_bits", 0};
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
    /// (k % block * dot + i % dot, i / dot, ky, k / block) of i = kx * channel_stride + c, zeros
    /// beyond the last i; block = vectors * lanes. For matrices a vector's weights lie together,
    /// zeros up to a multiple of `depth` behind them: (k % lanes * dot + i % dot, i / dot, ky, k /
    /// block). By steps: (k % block * dot + byte, step, 0, k / block).
    Input<Buffer<int8_t, 4>> weights{"weights"};
    /// (step, k / block): from the patch's first byte to a step's; unread where there are none.
    Input<Buffer<int32_t, 2>> steps{"steps"};
    /// (k): the convolution's, less what the input's zero point and the offset add to the sum:
    /// (zero point - offset) * the sum of k's weights.
    Input<Buffer<int32_t, 1>> bias{"bias"};
    /// (k, row): row 0 multiplier, 1 shift.
    Input<Buffer<float, 2>> epilogue{"epilogue"};
    /// (k, x, y); position gates are read at k = 0, unread where gating is none.
    Input<Buffer<float, 3>> gate{"gate"};
    /// (k, x, y); strides of zero over a row of zeros, residual_zero = 0, where there is none.
    Input<Buffer<uint8_t, 3>> residual{"residual"};
    Input<int> stride_x{"stride_x"};
    Input<int> stride_y{"stride_y"};
    /// Bytes from a pixel of the input to the next.
    Input<int> channel_stride{"channel_stride"};
    /// Infinite where there is no clamp, which takes less time.
    Input<float> act_low{"act_low"};
    Input<float> act_high{"act_high"};
    Input<float> residual_zero{"residual_zero"};
    Input<float> residual_scale{"residual_scale"};
    /// Bounds of the output; of a rounded one integers, less `zero`.
    Input<float> low{"low"};
    Input<float> high{"high"};
    /// (k, x, y), k a multiple of block; u8 or f32.
    Output<Buffer<void, 3>> output{"output"};

    void configure() {
        output.set_type(form == Form::floats ? Float(32) : UInt(8));
        if (form == Form::floats) {
            // Not 0: the output is rounded, and times scale.
            rounds = add_input<int>("rounds");
            scale = add_input<float>("scale");
        } else {
            zero = add_input<int>("zero");
        }
        if (form != Form::bytes) {
            // 1: rounds after the clamp, 2: after the gate, which takes less time where there is no
            // gate to tell them apart, 3: both.
            stages = add_input<int>("stages");
            for (int i = 0; i < 2; ++i) {
                const std::string number = std::to_string(i + 1);
                bounds[i][0] = add_input<float>("low" + number);
                bounds[i][1] = add_input<float>("high" + number);
                factors[i] = add_input<float>("factor" + number);
            }
        }
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
        taps = RDom(0, has_steps() ? dot / 2 : int(dot), 0, row, 0, rows, "taps");
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
        gate.dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        residual.dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        input.dim(0).set_min(0).dim(1).set_min(0);
        positions.dim(0).set_min(0);
        bias.dim(0).set_min(0);
        const int lanes = natural_vector_size<float>();
        const int block = vectors * lanes;
        const int width = (depth > 0 ? lanes : block) * dot;
        weights.dim(0).set_bounds(0, width).dim(1).set_min(0).set_stride(width);
        weights.dim(2).set_min(0);
        weights.dim(3).set_min(0);
        epilogue.dim(0).set_min(0).dim(1).set_min(0);
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

    Expr column(Expr entry) {
        return unsafe_promise_clamped(cast<int>(positions(entry) & 0xffff), 0,
                                      output.dim(1).extent() - 1);
    }
    Expr line(Expr entry) {
        return unsafe_promise_clamped(cast<int>(positions(entry) >> 16), 0,
                                      output.dim(2).extent() - 1);
    }

    Expr has_residual() { return residual.dim(1).stride() != 0; }

    /// What leaves out a part of the epilogue, likeliest first.
    std::vector<Expr> shorter_cases() {
        // By their bits: Halide's own comparisons take no float to be infinite.
        const auto has_bits = [](const Expr& value, uint32_t bits) {
            return reinterpret<uint32_t>(value) == Expr(bits);
        };
        const Expr unclamped = has_bits(act_low, 0xff800000) && has_bits(act_high, 0x7f800000);
        switch (form) {
            case Form::bytes:
                return {unclamped && !has_residual(), unclamped && has_residual()};
            case Form::staged:
                return gating == Gate::none
                           ? std::vector<Expr>{unclamped && *stages == 2 && has_residual()}
                           : std::vector<Expr>{unclamped && *stages == 1 && !has_residual(),
                                               unclamped && *stages == 3 && has_residual()};
            case Form::floats:
                return {unclamped && *stages == 0 && !has_residual()};
        }
        return {};
    }

    /// The i-th rounding within the layer; undefined but in the staged form.
    Rounding rounding(int i) {
        if (form == Form::bytes) {
            return {};
        }
        return {(*stages & (1 << i)) != 0, *bounds[i][0], *bounds[i][1], *factors[i]};
    }

    Expr finish(Expr sum, Expr x, Expr y) {
        const Int8Sum of{.sum = sum,
                         .multiplier = epilogue(k, 0),
                         .act_low = act_low,
                         .act_high = act_high,
                         .after_act = rounding(0),
                         .gate = gate_value(gating, gate, k, x, y),
                         .after_gate = rounding(1)};
        const Expr shifted = of.value() + epilogue(k, 1);
        const Expr summand = residual_value(residual(k, x, y), residual_zero, residual_scale);
        // A zero is not added: the sum would be the same.
        const Expr value = strict_float(select(has_residual(), shifted + summand, shifted));
        return form == Form::floats ? dequantised(value, low, high, *rounds, *scale)
                                    : quantised(value, low, high, *zero);
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
            Expr value = input(first + taps.y * int(dot) + taps.x, row + taps.z);
            if (offset == 128) {
                value = reinterpret<int8_t>(value ^ cast<uint8_t>(int(offset)));
            }
            t.products(k, p, tile) +=
                cast<int>(value) *
                cast<int>(weights(first_weight() + taps.x, taps.y, taps.z, k / block()));
        }

        Expr to = entry(t.list.y, t.list.x);
        Expr x = column(to), y = line(to);
        output(k, x, y) = finish(t.products(k, t.list.x, t.list.y), x, y);
    }

    /// Of the patch at `first` of a row, a step's products, summed in pairs.
    void add_pairs(Tiles& t, const Expr& first, const Expr& row) {
        Expr byte = half * 2 + pair, bytes = input.dim(1).stride() * input.dim(1).extent();
        Expr start = unsafe_promise_clamped(steps(step, part), 0, bytes - 1);
        Expr value = input(first + start + byte, row);
        Expr weight = weights(first_weight() + byte, step, 0, part);
        t.pairs(half, k, part, p, step, tile) = cast<int16_t>(0);
        Expr sum = t.pairs(half, k, part, p, step, tile);
        t.pairs(half, k, part, p, step, tile) =
            saturating_add(sum, cast<int16_t>(value) * cast<int16_t>(weight));
    }

    int block() const { return int(vectors) * natural_vector_size<float>(); }

    /// k % block * dot, in a form that Halide sees to be consecutive along each vector.
    Expr first_weight() {
        const int lanes = natural_vector_size<float>();
        return k / lanes % int(vectors) * (lanes * int(dot)) + k % lanes * int(dot);
    }

    /// The outputs of the list as products of matrices: the patches of some positions, `bytes` a
    /// row, and a vector's weights.
    void multiply_matrices(const Expr& bytes, const Expr& rows) {
        const int lanes = natural_vector_size<float>(), side = pixels;
        Expr length = positions.dim(0).extent(), all = (length + side - 1) / side;
        Expr is_large = weights.dim(3).stride() * weights.dim(3).extent() > int(cache);
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
            cast<int>(patches(taps, p, group, tile)) * cast<int>(weights(place, step, 0, 0));

        list = RDom(0, side, 0, each, 0, tiles, "list");
        Expr to = (list.z * each + list.y) * side + list.x;
        list.where(to < length);
        Expr x = column(to), y = line(to);
        Expr sum = bias(k) + sums(k % lanes, list.x, k / lanes, list.y, list.z);
        output(k, x, y) = finish(sum, x, y);
    }

    Input<int>*zero = nullptr, *stages = nullptr, *rounds = nullptr;
    Input<float>*scale = nullptr, *bounds[2][2] = {}, *factors[2] = {};
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
