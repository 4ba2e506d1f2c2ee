#pragma once

#include <catch2/catch.hpp>

#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/calls.h"
#include "kernels/cpu.h"
#include "kernels/registry.h"

/// What the tests of all families share: buffers, and the walk over the registry.
namespace sluice::kernel_test {

/// A buffer over memory of the test's own: {extent, stride} a dimension, innermost first, as the
/// generators name them. Strides count elements.
struct View {
    std::vector<halide_dimension_t> dims;
    halide_buffer_t buffer{};

    template <typename T>
    View(const T* data, const std::vector<std::pair<int, int>>& extent_stride) {
        for (const auto& [extent, stride] : extent_stride) {
            dims.emplace_back(0, extent, stride);
        }
        buffer.host = reinterpret_cast<std::uint8_t*>(const_cast<T*>(data));
        buffer.type = halide_type_of<T>();
        buffer.dimensions = static_cast<int>(dims.size());
        buffer.dim = dims.data();
    }
    View(const View&) = delete;

    operator halide_buffer_t*() { return &buffer; }  ///< as an argument of a call
};

/// The kernels of an algorithm, and of one of its gate forms where that is named, that this CPU
/// runs; others are reported.
inline std::vector<const Kernel*> runnable_kernels(Algorithm algorithm,
                                                   std::optional<GateForm> gate) {
    std::vector<const Kernel*> runnable;
    for (const Kernel& kernel : kernels()) {
        if (kernel.algorithm != algorithm || kernel.gate != gate.value_or(kernel.gate)) {
            continue;
        }
        for (const Target& target : targets()) {
            if (std::string(target.id) != kernel.target) {
                continue;
            }
            if (cpu_has(target.requires_)) {
                runnable.push_back(&kernel);
            } else {
                WARN("skipped, not on this CPU: " << kernel.name);
            }
        }
    }
    return runnable;
}

/// Calls `test(kernel)` for each of them; none at all is a failure.
template <typename Test>
void for_each_kernel(Algorithm algorithm, std::optional<GateForm> gate, Test test) {
    const std::vector<const Kernel*> runnable = runnable_kernels(algorithm, gate);
    CHECK(!runnable.empty());
    for (const Kernel* kernel : runnable) {
        test(*kernel);
    }
}

template <typename Test>
void for_each_kernel(Algorithm algorithm, Test test) {
    for_each_kernel(algorithm, std::nullopt, test);
}

inline int round_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

inline std::vector<float> random_values(std::mt19937& rng, std::size_t count, float low,
                                        float high) {
    std::uniform_real_distribution<float> draw(low, high);
    std::vector<float> values(count);
    for (float& value : values) {
        value = draw(rng);
    }
    return values;
}

}  // namespace sluice::kernel_test
