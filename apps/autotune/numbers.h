#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "sluice/status.h"

namespace sluice::autotune {

/// The numbers of one kernel's schedule, each under its GeneratorParam's name.
using Numbers = std::map<std::string, int>;

/// "pixels=6 tail=2 unroll=8 vectors=4".
std::string to_text(const Numbers& numbers);

/// schedules/tuned/<target>.json. A row holds for the kernel of that name, and for those whose
/// names go on after it with an underscore; of several, the longer name's number counts
/// (cmake/SluiceKernelTable.cmake). What this program does not know stays as it is.
class TunedTable {
public:
    /// The numbers of `below`, in order, hold where the file's own rows say nothing else.
    static Result<TunedTable> read(const std::filesystem::path& path,
                                   std::span<const std::filesystem::path> below = {});

    /// The whole numbers of the kernel, but for those that are none of a generator.
    Numbers numbers(const std::string& kernel) const;
    /// The rest of it, as CMake hands it to the generator.
    std::map<std::string, std::string> others(const std::string& kernel) const;
    /// Of a kernel that has an alternative: runtime/kernels/registry.h. 1 where there is none.
    double break_even(const std::string& kernel) const;
    /// In the kernel's own row, which names only what differs from the others that hold for it.
    void set(const std::string& kernel, const Numbers& numbers);
    void set_break_even(const std::string& kernel, double value);
    /// The file's text: kernels in order, one a line, so that a diff shows the changed ones alone.
    std::string text() const;

private:
    /// What holds for the kernel.
    nlohmann::json row_of(const std::string& kernel) const;
    void put(const std::string& kernel, const std::string& name, const nlohmann::json& value);

    nlohmann::json rows_;
    std::vector<nlohmann::json> below_;
};

/// Where the numbers of a target's kernels stand.
struct TunedFiles {
    std::filesystem::path numbers;                  ///< the file to improve
    std::filesystem::path base;                     ///< what it holds where it does not exist
    std::vector<std::filesystem::path> below = {};  ///< TunedTable::read's
};

/// The table at `path`, or at `base` where there is none.
Result<TunedTable> read_either(const std::filesystem::path& path, const std::filesystem::path& base,
                               std::span<const std::filesystem::path> below = {});

/// Writes `changes` over what `path` holds at this moment, or over `base` where there is no such
/// file; aside, then renamed.
Status merge_numbers(const std::filesystem::path& path, const std::filesystem::path& base,
                     const std::map<std::string, Numbers>& changes,
                     std::span<const std::filesystem::path> below = {});
/// The same for one kernel's break-even.
Status merge_break_even(const std::filesystem::path& path, const std::filesystem::path& base,
                        const std::string& kernel, double value,
                        std::span<const std::filesystem::path> below = {});

}  // namespace sluice::autotune
