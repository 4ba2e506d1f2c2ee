#pragma once

#include <optional>

#include "autotune/kernel_job.h"

namespace sluice::autotune {

/// A kernel's break-even (runtime/kernels/kernel.h) as measured against a direct kernel.
struct BreakEven {
    double measured = 1;  ///< the middle one of the repeats
    double spread = 0;    ///< from the least to the largest of them
};

/// Whether one kernel computes position by position what the other does by Winograd, or by pairs:
/// the gating is the same, and a layer at least.
bool is_direct_of(const KernelJob& direct, const KernelJob& kernel);

/// A kernel of Winograd tiles or of pairs and a direct one of which is_direct_of holds.
struct Rivals {
    KernelJob& kernel;
    KernelJob& direct;
};

/// Times both kernels in turns on the most active gates of the layers that they share: a Winograd
/// tile over as many positions as it has, or a position over its nine pairs and their listing. None
/// where either cannot be compiled or run. Fails where the program is interrupted.
Result<std::optional<BreakEven>> measure_break_even(const Rivals& rivals, const Numbers& numbers,
                                                    const Numbers& direct);

/// What the numbers should hold: `measured`, rounded up to two decimals and at most 1, where it is
/// farther from `before` than the spread; else `before`.
double choose_break_even(double before, const BreakEven& found);

/// Measures the break-even with the numbers that both kernels have now, unless the evidence holds
/// it, and writes it and how it came about.
Status settle_break_even(const Rivals& rivals, KernelEvidence& evidence, Progress& progress);

}  // namespace sluice::autotune
