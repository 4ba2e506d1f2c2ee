#include "common/table.h"

#include <algorithm>
#include <cstdio>

#include "common/text.h"

namespace sluice::apps {
namespace {

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
    for (std::size_t at = text.find(from); at != std::string::npos;
         at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
    return text;
}

std::string markdown_row(const std::vector<std::string>& cells) {
    std::string line = "|";
    for (const std::string& cell : cells) {
        line.append(" ").append(replace_all(cell, "|", "\\|")).append(" |");
    }
    return line + "\n";
}

}  // namespace

std::string to_text(const Table& table) {
    std::vector<std::vector<std::string>> lines = {table.head};
    lines.insert(lines.end(), table.rows.begin(), table.rows.end());
    std::vector<std::size_t> widths(table.head.size());
    for (const auto& line : lines) {
        for (std::size_t i = 0; i < line.size(); ++i) {
            widths[i] = std::max(widths[i], count_columns(line[i]));
        }
    }
    std::string text;
    for (const auto& line : lines) {
        std::string row;
        for (std::size_t i = 0; i < line.size(); ++i) {
            row += (i == 0 ? "" : "  ") + (table.is_left(i) ? pad_right(line[i], widths[i])
                                                            : pad_left(line[i], widths[i]));
        }
        text += row.substr(0, row.find_last_not_of(' ') + 1) + "\n";
    }
    return text;
}

std::string to_markdown(const Table& table) {
    std::string text = markdown_row(table.head) + "|";
    for (std::size_t i = 0; i < table.head.size(); ++i) {
        text += table.is_left(i) ? "---|" : "---:|";
    }
    text += "\n";
    for (const auto& row : table.rows) {
        text += markdown_row(row);
    }
    return text;
}

std::string to_html(const Table& table) {
    const auto line = [&](const std::vector<std::string>& cells, const std::string& tag) {
        std::string text = "<tr>";
        for (std::size_t i = 0; i < cells.size(); ++i) {
            text += "<" + tag + (table.is_left(i) ? " class=\"left\">" : ">") +
                    escape_html(cells[i]) + "</" + tag + ">";
        }
        return text + "</tr>\n";
    };
    std::string text = "<table>\n" + line(table.head, "th");
    for (const auto& row : table.rows) {
        text += line(row, "td");
    }
    return text + "</table>\n";
}

std::string escape_html(const std::string& text) {
    return replace_all(
        replace_all(replace_all(replace_all(text, "&", "&amp;"), "<", "&lt;"), ">", "&gt;"), "\"",
        "&quot;");
}

std::string fixed(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

std::string percent(double share) { return fixed(100 * share, 1) + "%"; }

}  // namespace sluice::apps
