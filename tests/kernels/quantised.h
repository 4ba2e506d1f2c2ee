#pragma once

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

/// Scalar arithmetic between floats and quantised values, as docs of the kernels state it; nothing
/// of it is shared with them.
namespace sluice::kernel_test {

/// Half to even, by the C library.
inline float nearest(float value) {
    std::fesetround(FE_TONEAREST);
    return std::nearbyint(value);
}

/// What is stored of a value in units of the output's scale: `low` and `high` bound the stored
/// integer less the zero point.
inline std::uint8_t stored(float value, float low, float high, int zero) {
    const float bounded = !(value > low) ? low : std::min(value, high);
    return std::uint8_t(int(nearest(bounded)) + zero);
}

inline std::vector<std::uint8_t> random_bytes(std::mt19937& rng, std::size_t count) {
    std::vector<std::uint8_t> bytes(count);
    std::generate(bytes.begin(), bytes.end(), [&rng] { return std::uint8_t(rng()); });
    return bytes;
}

/// A zero point, with those at the ends of the range more often than others.
inline int random_zero(std::mt19937& rng) {
    const unsigned draw = rng() % 4;
    return draw == 0 ? 0 : draw == 1 ? 255 : int(rng() % 256);
}

}  // namespace sluice::kernel_test
