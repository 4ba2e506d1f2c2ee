#pragma once

#include <functional>
#include <string_view>

#include "sluice/status.h"

namespace sluice::apps {

/// Fails where standard output is closed. A closed standard input or error is opened on /dev/null:
/// else a file of ours could get its number, and a message would be written into that file.
Status check_standard_streams();

/// Writes a text to standard output at once, so that a full disk is found at the line it hits.
Status print(std::string_view text);

/// print() with the end of the line.
Status print_line(std::string_view line);

/// "program: file: node: what; remedy" on one line of standard error.
void print_failure(const char* program, const Status& failure);

/// What a program does, as its exit status: what `run` returns, or after a failure, which is
/// printed, what `failed` returns.
int exit_status(
    const char* program, const std::function<Result<int>()>& run,
    const std::function<int()>& failed = [] { return 2; });

}  // namespace sluice::apps
