#pragma once

#include <Halide.h>

namespace sluice::schedules {

/// What schedule_elements arranges: three outputs. `groups` is a scan, position after position, and
/// the other two read it.
struct ElementsFuncs {
    Halide::Func list, tiles, groups;
    Halide::Func mask;   ///< (group of the position, x, y), sums over `lanes`
    Halide::RDom scan;   ///< x: group of the position, y: column, z: row
    Halide::RDom lanes;  ///< channels of a group
    Halide::RDom write;  ///< entry of the group, row of the list, group, column, row
};

void schedule_elements(ElementsFuncs funcs);

}  // namespace sluice::schedules
