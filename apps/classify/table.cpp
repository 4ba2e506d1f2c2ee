#include "classify/table.h"

#include <algorithm>
#include <cstdio>

#include "classify/labels.h"
#include "common/text.h"

namespace sluice::classify {
namespace {

constexpr std::size_t ms_width = 9;
constexpr std::size_t score_width = 12;  // "-1.23457e-05"

template <typename Number>
std::string format(const char* as, Number number) {
    char text[32];
    std::snprintf(text, sizeof text, as, number);
    return text;
}

}  // namespace

std::string format_percent(double share) { return format("%.1f%%", 100.0 * share); }

std::string format_score(float score) { return format("%.6g", static_cast<double>(score)); }

Table::Table(std::span<const std::filesystem::path> files, const std::vector<std::string>& labels,
             std::int64_t class_count, bool single_score) {
    const auto add = [&](Cell cell, const std::string& title, std::size_t least, bool left) {
        columns_.push_back({cell, title, std::max(title.size(), least), left});
    };
    std::size_t width = 0;
    for (const std::filesystem::path& file : files) {
        width = std::max(width, apps::count_columns(apps::to_printable(file.string())));
    }
    add(Cell::file, "file", width, true);
    if (class_count > 0) {
        width = 0;
        for (std::int64_t i = 0; i < class_count; ++i) {
            width = std::max(width, apps::count_columns(apps::to_printable(name_class(labels, i))));
        }
        add(Cell::name, "class", width, true);
    }
    if (single_score) {
        add(Cell::score, "score", score_width, false);
    }
    if (class_count > 0) {
        add(Cell::probability, "probability", 0, false);
    }
    add(Cell::ms, "ms", ms_width, false);
    add(Cell::skipped, "MACs skipped", 0, false);
}

std::string Table::text(Cell cell, const Classification& result, std::size_t place) {
    if (place > 0 && cell != Cell::name && cell != Cell::probability) {
        return {};
    }
    switch (cell) {
        case Cell::file:
            return apps::to_printable(result.file);
        case Cell::name:
            return apps::to_printable(result.names[place]);
        case Cell::score:
            return format_score(result.scores[0]);
        case Cell::probability:
            return format_percent(result.best[place].probability);
        case Cell::ms:
            return format("%.3f", result.latency_ms);
        case Cell::skipped:
            break;
    }
    return format_percent(result.skipped_share());
}

std::string Table::line(const std::vector<std::string>& cells) const {
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        text += i == 0 ? "" : "  ";
        text += columns_[i].left ? apps::pad_right(cells[i], columns_[i].width)
                                 : apps::pad_left(cells[i], columns_[i].width);
    }
    return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
}

std::string Table::header() const {
    std::vector<std::string> titles;
    for (const Column& column : columns_) {
        titles.push_back(column.title);
    }
    return line(titles);
}

std::string Table::rows(const Classification& result) const {
    std::string rows;
    for (std::size_t place = 0; place < std::max<std::size_t>(result.best.size(), 1); ++place) {
        std::vector<std::string> cells;
        for (const Column& column : columns_) {
            cells.push_back(text(column.cell, result, place));
        }
        rows += line(cells);
    }
    return rows;
}

}  // namespace sluice::classify
