#include <Halide.h>

#include "generators/table_resize.h"

namespace {

using namespace Halide;

/// Blends four rows and four columns of the image for each output, float32, NHWC: cubic
/// interpolation, whatever the coordinates, since those are in the tables.
class CubicResize : public sluice::generators::TableResize<CubicResize> {
public:
    void generate() {
        constexpr int taps = 4;
        Expr sum = 0.0f;
        for (int j = 0; j < taps; ++j) {
            Expr row = unsafe_promise_clamped(rows(y, j), 0, input.dim(2).extent() - 1);
            Expr along = 0.0f;
            for (int i = 0; i < taps; ++i) {
                Expr column = unsafe_promise_clamped(columns(x, i), 0, input.dim(1).extent() - 1);
                along += column_weights(x, i) * input(c, column, row);
            }
            sum += row_weights(y, j) * along;
        }
        output(c, x, y) = sum;
    }
};

}  // namespace

HALIDE_REGISTER_GENERATOR(CubicResize, cubic_resize)
