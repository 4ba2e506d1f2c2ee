#include "classify/table.h"

#include <algorithm>
#include <cstdio>

#include "classify/labels.h"
#include "classify/text.h"

namespace sluice::classify {
namespace {

const std::vector<std::string> titles = {"file", "class", "probability", "ms", "MACs skipped"};
constexpr std::size_t ms_width = 9;

std::string format_ms(double ms) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f", ms);
    return text;
}

}  // namespace

std::string format_percent(double share) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f%%", 100.0 * share);
    return text;
}

Table::Table(std::span<const std::filesystem::path> files, const std::vector<std::string>& labels,
             std::int64_t class_count)
    : file_width_(titles[0].size()), class_width_(titles[1].size()) {
    for (const std::filesystem::path& file : files) {
        file_width_ = std::max(file_width_, count_columns(to_printable(file.string())));
    }
    for (std::int64_t i = 0; i < class_count; ++i) {
        class_width_ = std::max(class_width_, count_columns(to_printable(name_class(labels, i))));
    }
}

std::string Table::line(const std::vector<std::string>& cells) const {
    const std::string text =
        pad_right(cells[0], file_width_) + "  " + pad_right(cells[1], class_width_) + "  " +
        pad_left(cells[2], titles[2].size()) + "  " + pad_left(cells[3], ms_width) + "  " +
        pad_left(cells[4], titles[4].size());
    return text.substr(0, text.find_last_not_of(' ') + 1);
}

std::string Table::header() const { return line(titles); }

std::vector<std::string> Table::rows(const Classification& result) const {
    std::vector<std::string> rows;
    for (std::size_t i = 0; i < result.best.size(); ++i) {
        const std::string name = to_printable(result.names[i]);
        const std::string probability = format_percent(result.best[i].probability);
        rows.push_back(
            i == 0 ? line({to_printable(result.file), name, probability,
                           format_ms(result.latency_ms), format_percent(result.skipped_share())})
                   : line({"", name, probability, "", ""}));
    }
    return rows;
}

}  // namespace sluice::classify
