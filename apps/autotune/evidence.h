#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "autotune/search.h"
#include "sluice/status.h"

namespace sluice::autotune {

/// What a kernel was measured on; outcomes compare where this is the same.
struct Basis {
    std::string cpu;
    std::string code;                 ///< fingerprint of the generator
    std::string densities;            ///< where they come from
    std::vector<std::string> layers;  ///< shape, uses and densities of each
    bool operator==(const Basis&) const = default;
};

/// A layer shape on one list, before the kernel was tuned and after.
struct LayerEvidence {
    std::string shape;
    double density = 1;
    std::int64_t macs = 0;  ///< active
    double before_ms = 0;
    double after_ms = 0;
};

/// How a kernel of Winograd tiles or of pairs came to its break_even, measured in turns with the
/// direct kernel.
struct BreakEvenEvidence {
    std::string against;  ///< the direct kernel, its generator's fingerprint and its numbers
    Numbers numbers;      ///< of the kernel itself
    double before = 1;    ///< that the numbers held
    double after = 1;     ///< that they hold now
    double measured = 1;  ///< the middle one of the repeats
    double spread = 0;    ///< from the least to the largest of them
};

/// How a kernel came to its numbers.
struct KernelEvidence {
    Basis basis;
    std::string date;           ///< of the last measurement, UTC
    bool is_finished = false;   ///< the search came to its end
    bool is_confirmed = false;  ///< `best` stands against all that was tried
    Numbers before, best;
    std::vector<LayerEvidence> layers;
    std::map<Numbers, Outcome> tried;  ///< ratios to `before`
    std::optional<BreakEvenEvidence> break_even;
};

/// The evidence of one target by kernel, beside its numbers and apart from them: CMake reads the
/// numbers alone, and what was tried and lost is no reason to build.
using Evidence = std::map<std::string, KernelEvidence>;

/// evidence/<name> in the folder of the numbers, so that a checkout of the numbers has it too.
std::filesystem::path evidence_path(const std::filesystem::path& numbers);

/// Empty where there is no such file.
Result<Evidence> read_evidence(const std::filesystem::path& path);

/// Writes one kernel's evidence over what the file holds of it, aside, then renamed.
Status merge_evidence(const std::filesystem::path& path, const std::string& kernel,
                      const KernelEvidence& evidence);

}  // namespace sluice::autotune
