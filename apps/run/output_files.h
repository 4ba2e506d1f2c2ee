#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/npy.h"
#include "sluice/status.h"

namespace sluice::run {

/// A file name for each output, without ".npy": all but ASCII letters, digits, '.', '-' and '_'
/// become '_', and of two alike the one that had to be changed, or else the later, gets "_2".
std::vector<std::string> file_names(const std::vector<std::string>& outputs);

/// Writes each array to folder/<file name>.npy, making the folder where it is missing, and gives
/// their paths. All are written beside their places before any is moved there; on failure none is
/// left.
Result<std::vector<std::filesystem::path>> write_outputs(const std::filesystem::path& folder,
                                                         const std::vector<std::string>& outputs,
                                                         const std::vector<npy::Array>& arrays);

}  // namespace sluice::run
