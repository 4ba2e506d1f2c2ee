#pragma once

#include <string_view>

namespace sluice {

/// Whether CPU and operating system support all of the comma-separated flags (XGETBV included: a
/// CPU with AVX under a system that does not save its registers has none). False for a flag that
/// is not known. The first question for AMX asks Linux to let this process use it.
bool cpu_has(std::string_view flags);

}  // namespace sluice
