#pragma once

#include <cstdint>
#include <vector>

#include "plan/step.h"

/// Steps that run in turns, a strip of rows each, so that a step finds in the cache what the one
/// before it wrote.
namespace sluice {

/// Consecutive steps of a plan that read the outputs of steps before them, some of which are more
/// than a cache holds.
struct Chain {
    std::size_t first = 0, last = 0;  ///< steps
    std::int64_t rows = 0;            ///< of the first step's output that a thread computes at once
};

/// The chains of a plan, in order. They require of every step: Step::rows; no choice; nothing of
/// the caller's; that it reads what the chain writes by the rows it names, and writes where no step
/// of the chain has read. Buffers of the arena name their blocks still: see Arena. `cache_bytes` is
/// that of ModelOptions.
std::vector<Chain> find_chains(const std::vector<Step>& steps, std::int64_t cache_bytes);

/// What one turn computes of a step: units of its list, or else of its split.
struct Strip {
    std::size_t step = 0;
    std::int64_t first = 0, count = 0;
};

/// The turns of a chain in the order in which they run, on so many threads that share out each.
/// Every unit of every step is computed once, after the rows that it reads.
std::vector<Strip> strips_of(const std::vector<Step>& steps, const Chain& chain, int threads);

}  // namespace sluice
