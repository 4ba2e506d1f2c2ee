#pragma once

#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "sluice/status.h"

namespace sluice::apps {

/// Parses a command line into what `app`'s options are bound to. Gives the text to print and end
/// with where an option calls for help or the version. Fails on one line, with `remedy`, where the
/// line is wrong.
Result<std::optional<std::string>> parse_command_line(CLI::App& app, int argc,
                                                      const char* const* argv,
                                                      const std::string& remedy);

}  // namespace sluice::apps
