#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace sluice::sweep {

/// Draws that depend on the seed alone: the distributions of the standard library differ.
class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}

    /// Both ends included.
    std::int64_t between(std::int64_t low, std::int64_t high) {
        return low + std::int64_t(engine_() % std::uint64_t(high - low + 1));
    }
    bool chance(double share) { return unit() < share; }
    /// 0 included, 1 not.
    double unit() { return double(engine_() >> 11) * 0x1p-53; }
    float uniform(float low, float high) { return low + (high - low) * float(unit()); }
    template <typename T>
    const T& pick(const std::vector<T>& choices) {
        return choices[std::size_t(between(0, std::int64_t(choices.size()) - 1))];
    }

private:
    std::mt19937_64 engine_;
};

}  // namespace sluice::sweep
