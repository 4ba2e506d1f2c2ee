#pragma once

#include <string>

#include "kernels/registry.h"

namespace sluice::benchmark {

/// What the figures were measured on.
struct Machine {
    std::string cpu;             ///< the system's name for it
    int cores = 0;               ///< that this process may use, before it is pinned
    double fma_peak_gflops = 0;  ///< of one core, float32, by the instructions of `target`
    double cache_gbps = 0;       ///< one core's reads of 256 KiB again and again, in GB/s
    double memory_gbps = 0;      ///< and of 256 MiB
    double int8_peak_gops = 0;   ///< of one core, likewise; 0: not known
    std::string target;          ///< of our kernels

    /// Of one core, for what multiplies bytes or floats.
    double peak(bool is_int8) const { return is_int8 ? int8_peak_gops : fma_peak_gflops; }
};

/// Names the CPU and measures the core that this runs on, for about a second.
Machine measure_machine(int cores, const Target& target);

}  // namespace sluice::benchmark
