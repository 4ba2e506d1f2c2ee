#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sluice/status.h"

namespace sluice::npy {

/// What the header of a .npy file says of the elements that follow it.
struct Header {
    char kind = 'f';  ///< NumPy's letter: f, i, u or b
    int bytes = 4;    ///< of an element
    bool big_endian = false;
    bool column_major = false;
    std::vector<std::int64_t> shape;
    std::int64_t count = 1;  ///< product of the extents, at most max_elements
};

/// Reads the Python dictionary that a .npy file begins with: {'descr': '<f4', 'fortran_order':
/// False, 'shape': (1, 3), }.
Result<Header> parse_header(std::string_view text);

}  // namespace sluice::npy
