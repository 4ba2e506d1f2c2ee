#include <vector>

#include <Halide.h>

#include "generators/epilogue.h"
#include "generators/last_activation.h"
#include "schedules/depthwise_conv.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// A convolution of each channel by itself:
///
///     output(k, x, y) = last(post(scale(k) * (act(conv(k, x, y) + bias(k)) * gate) + shift(k)
///                                 + residual(k, x, y)))
///
/// for all (x, y), or where `gating` is position for each (x, y) of the list. float32, NHWC.
/// `input` begins at the halo: output (x, y) reads from (x * stride, y * stride).
class DepthwiseConv : public Generator<DepthwiseConv> {
public:
    GeneratorParam<Gate> gating{"gating", Gate::none, gate_names};
    // Shape class, of a square window without dilation; 0 leaves it to run time.
    GeneratorParam<int> kernel{"kernel", 0};
    GeneratorParam<int> step{"step", 0};  ///< the stride
    // Schedule.
    GeneratorParam<int> pixels{"pixels", 4};
    GeneratorParam<int> vectors{"vectors", 1};
    GeneratorParam<int> rows{"rows", 4};

    /// (c, x, y), halo included.
    Input<Buffer<float, 3>> input{"input"};
    /// y << 16 | x of the outputs to compute, at least one; unread where gating is none.
    Input<Buffer<uint32_t, 1>> positions{"positions"};
    /// (k % block, kx, ky, k / block), block = vectors * lanes.
    Input<Buffer<float, 4>> weights{"weights"};
    /// (k, row): row 0 bias, 1 scale, 2 shift.
    Input<Buffer<float, 2>> epilogue{"epilogue"};
    /// (0, x, y), unread where gating is none.
    Input<Buffer<float, 3>> gate{"gate"};
    /// (k, x, y); strides of zero over a row of zeros where there is none.
    Input<Buffer<float, 3>> residual{"residual"};
    Input<int> stride_x{"stride_x"};
    Input<int> stride_y{"stride_y"};
    /// Pixels and rows of the input from a tap to the next.
    Input<int> dilation_x{"dilation_x"};
    Input<int> dilation_y{"dilation_y"};
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
        taps = kernel > 0 ? RDom(0, int(kernel), 0, int(kernel), "taps")
                          : RDom(0, weights.dim(1).extent(), 0, weights.dim(2).extent(), "taps");
        if (gating == Gate::none) {
            // A tile that overhangs the map computes its last pixel again, and reads nothing
            // beyond.
            Expr column = min(likely(x), output.dim(1).extent() - 1);
            add_products(x, y, column, y);
            output(k, x, y) = finish(products(k, x, y), column, y);
            return;
        }
        Expr length = positions.dim(0).extent();
        list = RDom(0, int(pixels), 0, (length + int(pixels) - 1) / int(pixels), "list");
        // The last tile computes the last position again where it overhangs the list.
        const auto entry = [&](const Expr& tile, const Expr& pixel) {
            return min(tile * int(pixels) + pixel, length - 1);
        };
        Expr from = entry(y, x), to = entry(list.y, list.x);
        add_products(x, y, column_of(from), line_of(from));
        output(k, x, y) = undef<float>();
        output(k, column_of(to), line_of(to)) =
            finish(products(k, list.x, list.y), column_of(to), line_of(to));
    }

    void schedule() {
        for (auto* buffer : {&gate, &residual}) {
            buffer->dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        }
        input.dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        positions.dim(0).set_min(0);
        const int lanes = natural_vector_size<float>();
        const int block = vectors * lanes;
        weights.dim(0).set_bounds(0, block).dim(1).set_min(0).set_stride(block);
        weights.dim(2).set_min(0).dim(3).set_min(0);
        if (kernel > 0) {
            weights.dim(2).set_stride(kernel * block);
        }
        epilogue.dim(0).set_min(0).dim(1).set_min(0);
        output.dim(0).set_bounds(0, (output.dim(0).extent() / block) * block);
        output.dim(1).set_min(0).dim(2).set_min(0);
        const sluice::schedules::DepthwiseConvFuncs funcs{output, products, k, x, y, taps, list};
        const sluice::schedules::DepthwiseConvParams params{pixels, vectors, rows, lanes,
                                                            kernel > 0};
        if (gating == Gate::none) {
            sluice::schedules::schedule_depthwise_conv(funcs, params, usual_forms());
        } else {
            sluice::schedules::schedule_depthwise_list(funcs, params);
        }
    }

private:
    Expr column_of(const Expr& entry) {
        return unsafe_promise_clamped(cast<int>(positions(entry) & 0xffff), 0,
                                      output.dim(1).extent() - 1);
    }
    Expr line_of(const Expr& entry) {
        return unsafe_promise_clamped(cast<int>(positions(entry) >> 16), 0,
                                      output.dim(2).extent() - 1);
    }

    /// Sums over the taps for output (column, line), at (k, i, j).
    void add_products(const Var& i, const Var& j, const Expr& column, const Expr& line) {
        const int block = vectors * natural_vector_size<float>();
        Expr by_x = step > 0 ? Expr(int(step)) : Expr(stride_x);
        Expr by_y = step > 0 ? Expr(int(step)) : Expr(stride_y);
        Expr tap_x = kernel > 0 ? Expr(taps.x) : taps.x * dilation_x;
        Expr tap_y = kernel > 0 ? Expr(taps.y) : taps.y * dilation_y;
        products(k, i, j) = epilogue(k, 0);
        products(k, i, j) += weights(k % block, taps.x, taps.y, k / block) *
                             input(k, column * by_x + tap_x, line * by_y + tap_y);
    }

    /// What calls have in common for the most part: a loop that is specialised for one of these
    /// holds no jump.
    std::vector<Expr> usual_forms() {
        std::vector<Expr> forms;
        for (const auto last : {sluice::LastActivation::none, sluice::LastActivation::hard_swish,
                                sluice::LastActivation::silu}) {
            forms.push_back(is_plain == 1 && activation == int(last));
        }
        return forms;
    }

    Expr finish(const Expr& sum, const Expr& column, const Expr& line) {
        const Epilogue then{.act_low = act_low,
                            .act_high = act_high,
                            .gate = gate_value(gating, gate, k, column, line),
                            .scale = epilogue(k, 1),
                            .shift = epilogue(k, 2),
                            .residual = residual(k, column, line),
                            .post_low = post_low,
                            .post_high = post_high};
        const UngatedEnd end{is_plain, activation, activation_alpha, activation_beta};
        return end.apply(gating, then, sum);
    }

    Var k{"k"}, x{"x"}, y{"y"};
    Func products{"products"};
    RDom taps, list;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(DepthwiseConv, depthwise_conv)
