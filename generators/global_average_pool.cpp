#include <Halide.h>

#include "schedules/reduce_positions.h"

namespace {

using namespace Halide;

/// output(c) = the mean of input(c, x, y) over x and y, float32, NHWC. Rows are summed first:
/// errors grow with width + height instead of their product.
class GlobalAveragePool : public Generator<GlobalAveragePool> {
public:
    Input<Buffer<float, 3>> input{"input"};
    Output<Buffer<float, 1>> output{"output"};

    void generate() {
        columns = RDom(0, input.dim(1).extent(), "columns");
        rows = RDom(0, input.dim(2).extent(), "rows");
        row(c, y) = 0.0f;
        row(c, y) += input(c, columns, y);
        total(c) = 0.0f;
        total(c) += row(c, rows);
        output(c) = total(c) / cast<float>(input.dim(1).extent() * input.dim(2).extent());
    }

    void schedule() {
        input.dim(0).set_min(0).dim(1).set_min(0).dim(2).set_min(0);
        output.dim(0).set_min(0);
        sluice::schedules::schedule_reduce_positions(
            {output, c, output.dim(0).extent(), {{row, {columns.x}}, {total, {rows.x}}}},
            {natural_vector_size<float>()});
    }

private:
    Var c{"c"}, y{"y"};
    Func row{"row"}, total{"total"};
    RDom columns, rows;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(GlobalAveragePool, global_average_pool)
