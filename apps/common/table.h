#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sluice::apps {

/// Cells as text; the first `left` columns, and one last where `remark`, are aligned left.
struct Table {
    std::vector<std::string> head;
    std::size_t left = 1;
    bool remark = false;
    std::vector<std::vector<std::string>> rows;

    bool is_left(std::size_t column) const {
        return column < left || (remark && column + 1 == head.size());
    }
};

/// Aligned columns for a terminal, a line a row.
std::string to_text(const Table& table);
/// The same as Markdown.
std::string to_markdown(const Table& table);
/// The same as an HTML table.
std::string to_html(const Table& table);

/// The text with &, <, > and quotes as entities.
std::string escape_html(const std::string& text);

/// printf's "%.*f".
std::string fixed(double value, int digits);
/// "97.3%".
std::string percent(double share);

}  // namespace sluice::apps
