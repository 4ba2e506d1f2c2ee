#pragma once

#include <algorithm>
#include <cstddef>

#include "graph/graph.h"

namespace sluice::reference {

/// Place of an element in dense row-major order.
inline std::size_t offset(const Shape& shape, const Shape& at) {
    std::int64_t place = 0;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        place = place * shape[axis] + at[axis];
    }
    return std::size_t(place);
}

/// Calls visit(index) for every index of a shape, the last extent running fastest.
template <typename Visit>
void for_each_index(const Shape& shape, Visit visit) {
    if (std::count(shape.begin(), shape.end(), 0) > 0) {
        return;
    }
    Shape at(shape.size(), 0);
    while (true) {
        visit(at);
        std::size_t axis = shape.size();
        while (axis > 0 && ++at[axis - 1] == shape[axis - 1]) {
            at[--axis] = 0;
        }
        if (axis == 0) {
            return;
        }
    }
}

inline float apply(const Clamp& clamp, double value) {
    return float(std::min(std::max(value, double(clamp.low)), double(clamp.high)));
}

}  // namespace sluice::reference
