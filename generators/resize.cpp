#include <Halide.h>

#include "generators/table_resize.h"

namespace {

using namespace Halide;

/// Blends two rows and two columns of the image for each output, float32, NHWC: nearest and
/// linear interpolation, whatever the coordinates, since those are in the tables.
class Resize : public sluice::generators::TableResize<Resize> {
public:
    void generate() {
        const auto source = [](Expr index, Expr extent) {
            return unsafe_promise_clamped(index, 0, extent - 1);
        };
        // One source is taken as it is: 0 * inf would be NaN. Of two, a weight of zero hides none.
        const auto blend = [](Expr is_one, Expr first, Expr second, Expr share, Expr other) {
            return strict_float(select(is_one, first, share * first + other * second));
        };
        const auto at_row = [&](Expr row) {
            const auto value = [&](int i) {
                return input(c, source(columns(x, i), input.dim(1).extent()),
                             source(row, input.dim(2).extent()));
            };
            return blend(columns(x, 0) == columns(x, 1), value(0), value(1), column_weights(x, 0),
                         column_weights(x, 1));
        };
        output(c, x, y) = blend(rows(y, 0) == rows(y, 1), at_row(rows(y, 0)), at_row(rows(y, 1)),
                                row_weights(y, 0), row_weights(y, 1));
    }
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Resize, resize)
