#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "autotune/catalogue.h"
#include "autotune/evidence.h"
#include "autotune/judge.h"
#include "autotune/progress.h"
#include "autotune/workload.h"

namespace sluice::autotune {

/// Makes a candidate's shared object; start_compilation, but for tests of what a candidate may do.
using Compile =
    std::function<Result<Child>(const Recipe&, const Numbers&, const std::filesystem::path&)>;

struct TuneSettings {
    std::string cpu;
    int threads = 1;  ///< candidates compiled at a time
    double seconds = 240;
    std::map<std::string, TunedFiles> files;  ///< by the id of the target that a kernel is for
    std::filesystem::path libraries;          ///< a folder for compiled candidates
    Compile compile = start_compilation;
};

/// Searches for each kernel of the workload until nothing near its best schedule is better, or the
/// time is over, or the program is interrupted. What beats the present numbers by more than the
/// noise is written as soon as its kernel is done. Returns the evidence of the kernels it came to.
Result<Evidence> tune(const Workload& workload, const Catalogue& catalogue,
                      const TuneSettings& settings, Progress& progress);

}  // namespace sluice::autotune
