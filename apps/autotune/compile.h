#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "autotune/child.h"
#include "autotune/numbers.h"

namespace sluice::autotune {

/// What a kernel is made from, but for the numbers of its schedule.
struct Recipe {
    std::string generator;
    std::string halide_target;  ///< as schedules/targets.json spells it
    std::map<std::string, std::string> params;
};

/// The function that a compiled candidate exports: a KernelFunction of runtime/kernels/registry.h.
inline constexpr const char* candidate_function = "sluice_candidate_argv";

/// Starts to compile the kernel as cmake/SluiceKernels.cmake does and to link it into the shared
/// object `library`. The child's answer is empty, or says in a clause why there is none.
Result<Child> start_compilation(const Recipe& recipe, const Numbers& numbers,
                                const std::filesystem::path& library);

/// What the code of the generator's kernels depends on beside their parameters, as a hash.
std::string fingerprint(const std::string& generator);

}  // namespace sluice::autotune
