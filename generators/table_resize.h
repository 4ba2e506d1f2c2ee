#pragma once

#include <Halide.h>

#include "schedules/pointwise.h"

namespace sluice::generators {

/// What resizes share that blend some columns and rows of the image for each output, float32, NHWC:
/// the coordinates are in tables.
template <typename Resize>
class TableResize : public Halide::Generator<Resize> {
public:
    template <typename T>
    using Input = Halide::GeneratorInput<T>;
    template <typename T, int rank>
    using Buffer = Halide::Buffer<T, rank>;

    Input<Buffer<float, 3>> input{"input"};
    /// (x, taps): the source columns of output column x, and their weights, which sum to 1.
    Input<Buffer<std::int32_t, 2>> columns{"columns"};
    Input<Buffer<float, 2>> column_weights{"column_weights"};
    /// (y, taps): likewise, of rows.
    Input<Buffer<std::int32_t, 2>> rows{"rows"};
    Input<Buffer<float, 2>> row_weights{"row_weights"};
    Halide::GeneratorOutput<Buffer<float, 3>> output{"output"};

    void schedule() {
        for (int i = 0; i < 3; ++i) {
            input.dim(i).set_min(0);
            output.dim(i).set_min(0);
        }
        for (auto* table : {&column_weights, &row_weights}) {
            table->dim(0).set_min(0).dim(1).set_min(0);
        }
        for (auto* table : {&columns, &rows}) {
            table->dim(0).set_min(0).dim(1).set_min(0);
        }
        sluice::schedules::schedule_pointwise({output, c, {}},
                                              {this->template natural_vector_size<float>()});
    }

protected:
    Halide::Var c{"c"}, x{"x"}, y{"y"};
};

}  // namespace sluice::generators
