#include <Halide.h>

#include "generators/clip.h"
#include "generators/quantise.h"
#include "schedules/reduce_positions.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

enum class Reduce { max, average };

/// Max or average pooling, float32 or u8, NHWC: output(c, x, y) reduces the part inside the image
/// of the window of kernel_x * kernel_y cells from column x * stride_x - pad_left and row
/// (first_row + y) * stride_y - pad_top. That part has at least one cell. A NaN in it gives NaN.
///
/// The average of u8 is u8(clip(round(float(sum of (input - input_zero)) * factor / count)) +
/// zero), the factor being the input's scale over the output's; the maximum keeps scale and zero
/// point.
class Pool : public Generator<Pool> {
public:
    GeneratorParam<Reduce> reduce{
        "reduce", Reduce::max, {{"max", Reduce::max}, {"average", Reduce::average}}};
    GeneratorParam<Type> element{"element", Float(32)};

    /// (c, x, y), the whole image, without a halo.
    Input<Buffer<void, 3>> input{"input"};
    Input<int> kernel_x{"kernel_x"};
    Input<int> kernel_y{"kernel_y"};
    Input<int> stride_x{"stride_x"};
    Input<int> stride_y{"stride_y"};
    Input<int> pad_left{"pad_left"};
    Input<int> pad_top{"pad_top"};
    /// The row of the whole output that is row 0 of this one.
    Input<int> first_row{"first_row"};
    /// (c, x, y).
    Output<Buffer<void, 3>> output{"output"};

    void configure() {
        input.set_type(element);
        output.set_type(element);
        if (reduce == Reduce::average) {
            // Nonzero: cells of the padding count in the divisor, as far as count_width and
            // count_height reach, which are the image's extents with the padding behind it.
            include_pad = add_input<int>("include_pad");
            count_width = add_input<int>("count_width");
            count_height = add_input<int>("count_height");
            if (is_quantised()) {
                input_zero = add_input<int>("input_zero");
                factor = add_input<float>("factor");
                // Integers: the bounds of the output less the zero point.
                low = add_input<float>("low");
                high = add_input<float>("high");
                zero = add_input<int>("zero");
            }
        }
    }

    void generate() {
        window = RDom(0, kernel_x, 0, kernel_y, "window");
        Expr width = input.dim(1).extent(), height = input.dim(2).extent();
        Expr left = x * stride_x - pad_left, top = (first_row + y) * stride_y - pad_top;
        Expr column = left + window.x, line = top + window.y;
        // A column outside becomes the nearest one inside, which belongs to the same window: that
        // changes no maximum. A sum leaves it out.
        const auto inside_of = [&](Expr place, Expr extent) {
            Expr near = select(all_inside(), place, clamp(place, 0, extent - 1));
            return unsafe_promise_clamped(near, 0, extent - 1);
        };
        Expr cell = input(c, inside_of(column, width), inside_of(line, height));
        if (reduce == Reduce::max) {
            result(c, x, y) = element.value().min();
            result(c, x, y) =
                is_quantised() ? max(result(c, x, y), cell) : max_or_nan(result(c, x, y), cell);
            output(c, x, y) = result(c, x, y);
            return;
        }
        window.where(column >= 0 && column < width && line >= 0 && line < height);
        Expr right = left + kernel_x, bottom = top + kernel_y;
        Expr inside = (min(right, width) - max(left, 0)) * (min(bottom, height) - max(top, 0));
        Expr padded = (min(right, *count_width) - left) * (min(bottom, *count_height) - top);
        Expr count = cast<float>(select(*include_pad != 0, padded, inside));
        if (is_quantised()) {
            result(c, x, y) = 0;
            result(c, x, y) += cast<int>(cell) - *input_zero;
            output(c, x, y) =
                to_u8(cast<float>(result(c, x, y)) * *factor / count, *low, *high, *zero);
        } else {
            result(c, x, y) = 0.0f;
            result(c, x, y) += cell;
            output(c, x, y) = result(c, x, y) / count;
        }
    }

    void schedule() {
        for (int i = 0; i < 3; ++i) {
            input.dim(i).set_min(0);
            output.dim(i).set_min(0);
        }
        // The windows of gates that are a tile wide.
        Expr tiles = reduce == Reduce::max && !is_quantised()
                         ? all_inside() && kernel_x == 4 && kernel_y == 4
                         : Expr();
        sluice::schedules::schedule_reduce_positions(
            {output, c, output.dim(0).extent(), {{result, {window.x, window.y}}}, tiles},
            {natural_vector_size<float>()});
    }

private:
    bool is_quantised() const { return element.value() == UInt(8); }

    /// Whether no window reaches beyond the image.
    Expr all_inside() {
        return pad_left == 0 && pad_top == 0 && first_row >= 0 &&
               (output.dim(1).extent() - 1) * stride_x + kernel_x <= input.dim(1).extent() &&
               (first_row + output.dim(2).extent() - 1) * stride_y + kernel_y <=
                   input.dim(2).extent();
    }

    Input<int>*include_pad = nullptr, *count_width = nullptr, *count_height = nullptr;
    Input<int>*input_zero = nullptr, *zero = nullptr;
    Input<float>*factor = nullptr, *low = nullptr, *high = nullptr;
    Var c{"c"}, x{"x"}, y{"y"};
    Func result{"result"};
    RDom window;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Pool, pool)
