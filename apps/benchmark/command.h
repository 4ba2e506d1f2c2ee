#pragma once

#include <string>
#include <vector>

namespace sluice::benchmark {

/// How long networks and kernels take, ours and others', where the answers are right. Returns the
/// exit status. It starts its workers as this same program, which takes `words` before benchmark's
/// own arguments.
int command(int argc, const char* const* argv, const std::vector<std::string>& words = {});

}  // namespace sluice::benchmark
