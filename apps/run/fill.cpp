#include "run/fill.h"

namespace sluice::run {

void Uniform::fill(std::span<float> values) {
    for (float& value : values) {
        // 53 bits of two draws: std::uniform_real_distribution is free to do otherwise.
        const auto high = static_cast<double>(generator_() >> 5);
        const auto low = static_cast<double>(generator_() >> 6);
        const double unit = (high * 67108864.0 + low) / 9007199254740992.0;
        value = static_cast<float>(-1.0 + 2.0 * unit);
    }
}

}  // namespace sluice::run
