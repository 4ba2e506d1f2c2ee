#include "schedules/dot_conv.h"

#include "schedules/lane_sums.h"

namespace sluice::schedules {

// A step loads one vector of the patch that all elements of the tile share and one of weights for
// each, so that `elements` + 1 loads feed `elements` multiply-adds, and loads are the bound.
void schedule_dot_conv(DotConvFuncs f, const DotConvParams& p) {
    f.output.update().reorder(f.tiles.x, f.tiles.y).allow_race_conditions().vectorize(f.tiles.x);
    schedule_lane_sums({f.products, f.element, f.tile, f.taps, {f.output, f.tiles.y}}, p.elements,
                       p.unroll);
}

}  // namespace sluice::schedules
