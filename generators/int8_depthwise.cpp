#include <Halide.h>

#include "generators/int8_layer.h"
#include "runtime/kernels/row_groups.h"
#include "schedules/int8_depthwise.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// A convolution of each channel of bytes by itself:
///
///     sum(k, x, y) = bias(k) + conv(k, x, y) of input - offset         exact, int32
///
/// for all (x, y), whatever the gate. What the input's zero point contributes, the bias takes back.
/// int8_layer.h says what becomes of the sum. NHWC; `input` begins at the halo: output (x, y) reads
/// from (x * stride, y * stride).
///
/// An instruction multiplies and sums `dot` bytes a lane. They are those of a channel in as many
/// rows of the input, a group. The groups that reach over a window reach over windows() of them,
/// one above the other, that differ in their weights alone, which are zero beside the window.
class Int8Depthwise : public Int8Layer<Int8Depthwise> {
public:
    // Shape class, of a square window without dilation; 0 leaves it to run time.
    GeneratorParam<int> kernel{"kernel", 0};
    GeneratorParam<int> step{"step", 0};  ///< the stride
    // Schedule.
    GeneratorParam<int> pixels{"pixels", 4};
    GeneratorParam<int> vectors{"vectors", 1};
    GeneratorParam<int> rows{"rows", 4};

    /// (c, x, y), halo included.
    Input<Buffer<uint8_t, 3>> input{"input"};
    /// (k % block * dot + row % dot, kx, row / dot, window, k / block), block = vectors * lanes,
    /// `window` of windows(): row = ky + window * stride.
    Input<Buffer<int8_t, 5>> weights{"weights"};
    Input<int> stride_x{"stride_x"};
    Input<int> stride_y{"stride_y"};
    /// Pixels and rows of the input from a tap to the next.
    Input<int> dilation_x{"dilation_x"};
    Input<int> dilation_y{"dilation_y"};
    /// Rows of the window: no row of the input beyond the last output's window is read.
    Input<int> window_rows{"window_rows"};
    /// (k, x, y), k a multiple of block; u8 or f32.
    Output<Buffer<void, 3>> output{"output"};

    void configure() {
        output.set_type(output_type());
        add_inputs_of_form();
    }

    void generate() {
        taps =
            kernel > 0
                ? RDom(0, int(dot), 0, int(kernel), 0, sluice::row_groups(kernel, dot), "taps")
                : RDom(0, int(dot), 0, weights.dim(1).extent(), 0, weights.dim(2).extent(), "taps");
        // A tile that overhangs the map computes its last pixel again, and reads nothing beyond.
        Expr end = output.dim(1).extent() - 1;
        Expr column = min(likely(x), end);
        if (kernel > 0) {
            add_bytes(min(likely(x), end * int(step) + int(kernel) - 1), y * windows());
        } else {
            add_bytes(column * stride_x + tap * dilation_x, y);
        }
        add_products();
        output(k, x, y) = finish(products(k, x, y % windows(), y / windows()), k, column, y);
    }

    void schedule() {
        begin_inputs_at_zero();
        input.dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        const int lanes = natural_vector_size<float>();
        const int block = vectors * lanes;
        weights.dim(0).set_bounds(0, block * dot).dim(1).set_min(0).set_stride(block * dot);
        weights.dim(2).set_min(0).dim(3).set_min(0).dim(4).set_min(0);
        output.dim(0).set_bounds(0, (output.dim(0).extent() / block) * block);
        output.dim(1).set_min(0).dim(2).set_min(0);
        const sluice::schedules::Int8DepthwiseFuncs funcs{
            output, bytes, products, k, x, y, window, row, tap, group, taps, shorter_cases()};
        sluice::schedules::schedule_int8_depthwise(
            funcs, {pixels, vectors, rows, lanes, dot, windows(), kernel, step});
    }

private:
    int windows() const { return kernel > 0 ? sluice::shared_windows(kernel, dot, step) : 1; }

    /// The bytes of a channel in a group of rows from the window of output row `line`. A known
    /// window's are those of column x of the input, which neighbouring outputs share; else those
    /// of output x and a tap.
    void add_bytes(const Expr& column, const Expr& line) {
        Expr by = step > 0 ? Expr(int(step)) : Expr(stride_y);
        Expr from_tap = kernel > 0 ? Expr(1) : Expr(dilation_y);
        // Of the rows behind the last output's window the weights are zero.
        Expr last = (output.dim(2).extent() - 1) * by + (window_rows - 1) * from_tap;
        Expr at = min(line * by + (group * int(dot) + row) * from_tap, last);
        bytes(row, k, x, tap, group, y) = operand(input(k, column, at));
    }

    void add_products() {
        const int lanes = natural_vector_size<float>(), block = vectors * lanes;
        Expr column = kernel > 0 ? x * int(step) + taps.y : Expr(x);
        Expr at = kernel > 0 ? Expr(0) : Expr(taps.y);
        // k % block * dot, in a form that Halide sees to be consecutive along each vector.
        Expr first = k / lanes % int(vectors) * (lanes * int(dot)) + k % lanes * int(dot);
        products(k, x, window, y) = bias(k);
        products(k, x, window, y) +=
            cast<int>(bytes(taps.x, k, column, at, taps.z, y)) *
            cast<int>(weights(first + taps.x, taps.y, taps.z, window, k / block));
    }

    Var k{"k"}, x{"x"}, y{"y"}, window{"window"}, row{"row"}, tap{"tap"}, group{"group"};
    Func bytes{"bytes"}, products{"products"};
    RDom taps;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Int8Depthwise, int8_depthwise)
