#pragma once

#include <Halide.h>

#include "runtime/kernels/list_layout.h"

namespace sluice::generators {

using sluice::element_entries;
using sluice::mask_bits;

/// (n, mask), n below `extent`: the n-th of the mask's bits that are set; 0 where there are fewer.
inline Halide::Buffer<std::uint8_t> make_order_table(int extent) {
    Halide::Buffer<std::uint8_t> order(extent, 1 << mask_bits);
    order.fill(0);
    for (int mask = 0; mask < 1 << mask_bits; ++mask) {
        for (int bit = 0, n = 0; bit < mask_bits; ++bit) {
            if (mask >> bit & 1) {
                order(n++, mask) = std::uint8_t(bit);
            }
        }
    }
    return order;
}

/// (mask): how many of its bits are set.
inline Halide::Buffer<std::uint8_t> make_count_table() {
    Halide::Buffer<std::uint8_t> count(1 << mask_bits);
    for (int mask = 0; mask < 1 << mask_bits; ++mask) {
        count(mask) = std::uint8_t(__builtin_popcount(unsigned(mask)));
    }
    return count;
}

/// A table's index that is known to be a mask.
inline Halide::Expr as_mask(Halide::Expr bits) {
    return Halide::unsafe_promise_clamped(bits, 0, (1 << mask_bits) - 1);
}

/// On a gate's bits, less the sign: a comparison of floats may be ordered, and drop a NaN.
inline Halide::Expr is_open(Halide::Expr gate) {
    return (Halide::reinterpret<std::uint32_t>(gate) << 1) != 0;
}

}  // namespace sluice::generators
