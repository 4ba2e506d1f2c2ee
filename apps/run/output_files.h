#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/npy.h"
#include "sluice/status.h"

namespace sluice::run {

/// A file name for each output, without ".npy". All but ASCII letters, digits, '.', '-' and '_'
/// become '_'. Of two alike one gets "_2": the one that had to be changed, else the later.
std::vector<std::string> file_names(const std::vector<std::string>& outputs);

/// Writes each array to folder/<file name>.npy and gives their paths. Makes the folder where it is
/// missing. All are written beside their places before any is moved there; on failure none is left.
Result<std::vector<std::filesystem::path>> write_outputs(const std::filesystem::path& folder,
                                                         const std::vector<std::string>& outputs,
                                                         const std::vector<npy::Array>& arrays);

}  // namespace sluice::run
