#include <functional>

#include <Halide.h>

#include "generators/epilogue.h"
#include "generators/winograd.h"
#include "schedules/winograd_conv.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// gated_conv for kernels of stride 1, by Winograd's F(4x4, 3x3), F(2x2, 3x3) or F(3x3, 4x4) over a
/// list of tiles of 4x4, 2x2 or 3x3 outputs: a quarter of the multiplications, or 4 of 9 with tiles
/// of 2x2, for each tile where any gate is active. The last tile of a row ends with the row, and
/// overlaps the one before it where the side does not divide the width; likewise along the height.
///
///     output(k, x, y) = post((conv(k, x, y) + bias(k)) * gate + shift(k) + residual(k, x, y))
///                                                      for each (x, y) of each tile
///
/// where the weights and the bias hold the scale, and the bias of ungated layers the shift.
/// float32, NHWC. `input` begins at the halo, so that a tile whose first output is (x, y) reads
/// side + kernel - 1 rows and columns from there.
class WinogradConv : public Generator<WinogradConv> {
public:
    GeneratorParam<Gate> gating{"gating", Gate::position, gate_names};
    // Shape class; channels of 0 leave them to run time, up to most_channels, whose patches the
    // stack has room for: then they are a multiple of the lanes.
    GeneratorParam<int> kernel{"kernel", 3};
    GeneratorParam<int> channels{"channels", 0};
    GeneratorParam<int> most_channels{"most_channels", 1024};
    GeneratorParam<int> side{"side", 4};
    GeneratorParam<int> stride{"stride", 1};
    // Schedule.
    GeneratorParam<int> pixels{"pixels", 16};
    GeneratorParam<int> tail{"tail", 4};
    GeneratorParam<int> rows{"rows", 4};
    GeneratorParam<int> vectors{"vectors", 1};
    GeneratorParam<int> unroll{"unroll", 1};

    /// (x * channel_stride + c, y), halo included. Where the lanes do not divide the channel
    /// stride, what follows the last pixel is read up to a vector's end, and not used.
    Input<Buffer<float, 2>> input{"input"};
    /// row << 16 | column of tiles, at least one.
    Input<Buffer<uint32_t, 1>> tiles{"tiles"};
    /// (k % lanes, c, matrix, k / lanes), transformed; phase by phase the channels, of which there
    /// are as many as the extent says where `channels` is 0. The matrices are the points, (side +
    /// kernel - 1) * (of y) + (of x); with tiles of 2x2 gated by position there may be more, the
    /// nine taps of a direct kernel, of which four are the corner points, and the other points.
    Input<Buffer<float, 4>> weights{"weights"};
    /// (k, row), as gated_conv's: row 0 bias, row 2 shift, which is not read where gating is none.
    Input<Buffer<float, 2>> epilogue{"epilogue"};
    /// (k, x >> gate_shift, y >> gate_shift); position gates are read at k = 0, unread where gating
    /// is none.
    Input<Buffer<float, 3>> gate{"gate"};
    /// (k, x, y); strides of zero over a row of zeros where there is none.
    Input<Buffer<float, 3>> residual{"residual"};
    Input<int> gate_shift{"gate_shift"};
    /// Floats from a pixel of the input to the next.
    Input<int> channel_stride{"channel_stride"};
    Input<float> post_low{"post_low"};
    Input<float> post_high{"post_high"};
    /// (k, x, y), k a multiple of block.
    Output<Buffer<float, 3>> output{"output"};

    void generate() {
        Expr length = tiles.dim(0).extent();
        Expr chunks = length / int(pixels), rest = length % int(pixels);
        output(k, col, lin) = undef<float>();
        add_chunks(full, pixels, chunks,
                   [&](Expr chunk, Expr tile) { return chunk * int(pixels) + tile; });
        // The last chunk computes the last tile again where it overhangs the list.
        add_chunks(last, tail, (rest + tail - 1) / int(tail), [&](Expr chunk, Expr tile) {
            return min(chunks * int(pixels) + chunk * int(tail) + tile, length - 1);
        });
    }

    void schedule() {
        const int block = vectors * lanes();
        for (auto* buffer : {&gate, &residual}) {
            buffer->dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        }
        input.dim(0).set_min(0).dim(1).set_min(0);
        tiles.dim(0).set_min(0);
        weights.dim(0).set_bounds(0, lanes()).dim(1).set_min(0).set_stride(lanes());
        weights.dim(2).set_min(0);
        if (channels > 0) {
            const int depth = int(channels) * phases();
            weights.dim(1).set_extent(depth);
            weights.dim(2).set_stride(lanes() * depth);
        }
        weights.dim(3).set_min(0);
        epilogue.dim(0).set_min(0).dim(1).set_min(0);
        output.dim(0).set_bounds(0, (output.dim(0).extent() / block) * block);
        output.dim(1).set_min(0).dim(2).set_min(0);
        sluice::schedules::schedule_winograd_conv(
            {output, {full, last}, c, panel, phase, k, u, v, t},
            {lanes(), vectors, rows, unroll, channels > 0 ? 0 : most_channels / lanes()});
    }

private:
    using Chunks = sluice::schedules::WinogradChunks;
    int lanes() const { return natural_vector_size<float>(); }
    int phases() const { return int(stride) * int(stride); }
    int points() const { return winograd_points(side, kernel); }
    /// Floats from a pixel to the next.
    Expr pixel() const { return channels > 0 ? Expr(int(channels)) : Expr(channel_stride); }
    /// Channels of a phase are taken in panels of so many: all of them, or a vector where their
    /// number is not known.
    int panel_channels() const { return channels > 0 ? int(channels) : lanes(); }
    Expr panels() const {
        return channels > 0 ? Expr(1)
                            : min(weights.dim(1).extent() / (phases() * lanes()),
                                  int(most_channels) / lanes());
    }

    Expr start(Expr tile, Expr extent) {
        return unsafe_promise_clamped(min(tile * int(side), extent - int(side)), 0,
                                      extent - int(side));
    }
    Expr column(Expr entry) {
        return start(cast<int>(tiles(entry) & 0xffff), output.dim(1).extent());
    }
    Expr line(Expr entry) { return start(cast<int>(tiles(entry) >> 16), output.dim(2).extent()); }
    Expr of_gate(Expr place, int axis) {
        return unsafe_promise_clamped(place >> gate_shift, 0, gate.dim(axis).extent() - 1);
    }

    /// Whether a phase has a weight at a point: its kernel is one tap shorter where it begins one
    /// later, and infinity stands for the last tap.
    Expr has_weight(Expr first, Expr point) { return first == 0 || point < points() - 1; }

    /// Where the weights have a point's matrix.
    Expr matrix_of(Expr x, Expr y) {
        const int last = points() - 1, taps = 9;
        Expr point = y * points() + x;
        if (gating != Gate::position || side != 2) {
            return point;
        }
        Expr is_corner = (x == 0 || x == last) && (y == 0 || y == last);
        Expr corner = select(y == 0, 0, 6) + select(x == 0, 0, 2);
        Expr corners_before = 1 + cast<int>(point > last) + cast<int>(point > last * points());
        return select(weights.dim(2).extent() == points() * points(), point,
                      select(is_corner, corner, taps + point - corners_before));
    }

    /// One value a point.
    std::vector<Expr> each_point(const std::function<Expr(int)>& at) const {
        std::vector<Expr> values;
        for (int point = 0; point < points(); ++point) {
            values.push_back(at(point));
        }
        return values;
    }

    /// The outputs of some chunks of the list; `entry` gives the list's index of a chunk's tile.
    void add_chunks(Chunks& f, int size, Expr count,
                    const std::function<Expr(Expr chunk, Expr tile)>& entry) {
        f.tiles = size;
        f.list = RDom(0, int(side), 0, int(side), 0, size, 0, count, "list");
        Expr from = entry(chunk, t);
        Expr right = phase % int(stride), down = phase / int(stride);
        f.lines(c, panel, phase, u, v, t, chunk) =
            mux(v, transform_inputs(each_point([&](int i) {
                    return input(((column(from) + u) * int(stride) + right) * pixel() +
                                     panel * panel_channels() + c,
                                 (line(from) + i) * int(stride) + down);
                })));
        f.patches(c, panel, phase, u, v, t, chunk) = mux(
            u, transform_inputs(
                   each_point([&](int i) { return f.lines(c, panel, phase, i, v, t, chunk); })));

        f.channels = RDom(0, panel_channels(), 0, panels(), 0, phases(), "channels");
        const RDom& r = f.channels;
        if (stride > 1) {
            f.channels.where(has_weight(r.z % int(stride), u) && has_weight(r.z / int(stride), v));
        }
        f.sums(k, u, v, t, chunk) = 0.0f;
        f.sums(k, u, v, t, chunk) +=
            weights(k % lanes(), (r.z * panels() + r.y) * panel_channels() + r.x, matrix_of(u, v),
                    k / lanes()) *
            f.patches(r.x, r.y, r.z, u, v, t, chunk);
        f.products(k, u, v, t, chunk) = f.sums(k, u, v, t, chunk);

        // The transform copies the product at (1, 1) to every output, and so the bias with it.
        f.columns(k, u, v, t, chunk) = mux(
            v, transform_products(each_point([&](int i) -> Expr {
                                      Expr product = f.products(k, u, i, t, chunk);
                                      return i == 1 ? product + select(u == 1, epilogue(k, 0), 0.0f)
                                                    : product;
                                  }),
                                  side));
        f.outputs(k, u, v, t, chunk) =
            mux(u, transform_products(
                       each_point([&](int i) { return f.columns(k, i, v, t, chunk); }), side));

        Expr to = entry(f.list.w, f.list.z);
        Expr x = column(to) + f.list.x, y = line(to) + f.list.y;
        Expr conv = f.outputs(k, f.list.x, f.list.y, f.list.z, f.list.w);
        Epilogue then{.residual = residual(k, x, y), .post_low = post_low, .post_high = post_high};
        if (gating != Gate::none) {
            then.gate = gate_value(gating, gate, k, of_gate(x, 1), of_gate(y, 2));
            then.shift = epilogue(k, 2);
        }
        output(k, x, y) = then.apply(conv);
    }

    Var c{"c"}, panel{"panel"}, phase{"phase"}, k{"k"}, u{"u"}, v{"v"}, t{"t"}, chunk{"chunk"},
        col{"col"}, lin{"lin"};
    Chunks full, last;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(WinogradConv, winograd_conv)
