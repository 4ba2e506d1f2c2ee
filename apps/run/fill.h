#pragma once

#include <cstdint>
#include <random>
#include <span>

namespace sluice::run {

/// The numbers of NumPy's RandomState(seed).uniform(-1, 1), rounded to float32. NumPy keeps that
/// sequence for good, so that a tensor can be made again without Sluice.
class Uniform {
public:
    explicit Uniform(std::uint32_t seed) : generator_(seed) {}
    /// Each call goes on where the last one ended.
    void fill(std::span<float> values);

private:
    std::mt19937 generator_;
};

}  // namespace sluice::run
