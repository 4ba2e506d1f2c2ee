#include <Halide.h>

#include "generators/quantise.h"
#include "schedules/reduce_positions.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// output(c) = the mean of input(c, x, y) over x and y, float32 or u8, NHWC. Rows of floats are
/// summed first: errors grow with width + height instead of their product.
///
/// Of u8 it is u8(clip(round(float(sum of (input - input_zero)) * factor / count)) + zero), the
/// factor being the input's scale over the output's.
class GlobalAveragePool : public Generator<GlobalAveragePool> {
public:
    GeneratorParam<Type> element{"element", Float(32)};

    Input<Buffer<void, 3>> input{"input"};
    Output<Buffer<void, 1>> output{"output"};

    void configure() {
        input.set_type(element);
        output.set_type(element);
        if (is_quantised()) {
            input_zero = add_input<int>("input_zero");
            factor = add_input<float>("factor");
            // Integers: the bounds of the output less the zero point.
            low = add_input<float>("low");
            high = add_input<float>("high");
            zero = add_input<int>("zero");
        }
    }

    void generate() {
        columns = RDom(0, input.dim(1).extent(), "columns");
        rows = RDom(0, input.dim(2).extent(), "rows");
        Expr cell = input(c, columns, y), none = 0.0f;
        if (is_quantised()) {
            cell = cast<int>(cell) - *input_zero;
            none = 0;
        }
        row(c, y) = none;
        row(c, y) += cell;
        total(c) = none;
        total(c) += row(c, rows);
        Expr count = cast<float>(input.dim(1).extent() * input.dim(2).extent());
        if (is_quantised()) {
            output(c) = to_u8(cast<float>(total(c)) * *factor / count, *low, *high, *zero);
        } else {
            output(c) = total(c) / count;
        }
    }

    void schedule() {
        input.dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        output.dim(0).set_min(0);
        sluice::schedules::schedule_reduce_positions(
            {output, c, output.dim(0).extent(), {{row, {columns.x}}, {total, {rows.x}}}},
            {natural_vector_size<float>()});
    }

private:
    bool is_quantised() const { return element.value() == UInt(8); }

    Input<int>*input_zero = nullptr, *zero = nullptr;
    Input<float>*factor = nullptr, *low = nullptr, *high = nullptr;
    Var c{"c"}, y{"y"};
    Func row{"row"}, total{"total"};
    RDom columns, rows;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(GlobalAveragePool, global_average_pool)
