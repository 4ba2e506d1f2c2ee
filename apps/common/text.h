#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::apps {

/// The text as a terminal can show it on one line: bytes that are not UTF-8 become U+FFFD, control
/// characters '?'.
std::string to_printable(std::string_view text);

/// Characters of UTF-8 text, each taken to be one column wide.
std::size_t count_columns(std::string_view text);

/// The text, filled with spaces to a width in columns.
std::string pad_right(std::string_view text, std::size_t width);
std::string pad_left(std::string_view text, std::size_t width);

}  // namespace sluice::apps
