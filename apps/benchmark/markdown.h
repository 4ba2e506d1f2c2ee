#pragma once

#include <string>

#include "benchmark/results.h"

namespace sluice::benchmark {

/// The machine, how it was measured, and a table of each kind of result that there is.
std::string to_markdown(const Report& report);

/// How the figures of each table came about: a paragraph, for Markdown and HTML alike.
std::string network_method();
std::string kernel_method();
std::string layer_method();

}  // namespace sluice::benchmark
