#pragma once

#include <string>

#include "sluice/status.h"

namespace sluice::apps {

/// The system's name for the CPU.
std::string cpu_name();

/// CPUs that this process may use.
int count_cores();

/// Keeps this process, and those it starts, on the first `count` CPUs that it may use. Where there
/// are fewer, on all of them.
Status pin_to_first_cpus(int count);
/// Keeps it on the last one where it can, because other programs are mostly pinned to the first.
void pin_to_last_cpu();

}  // namespace sluice::apps
