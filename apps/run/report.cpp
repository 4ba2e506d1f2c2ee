#include "run/report.h"

#include <algorithm>
#include <cstdio>

#include "common/text.h"
#include "run/bind.h"

namespace sluice::run {
namespace {

using Row = std::vector<std::string>;

std::string number(double value, const char* format = "%.6g") {
    char text[32];
    std::snprintf(text, sizeof text, format, value);
    return text;
}

std::string describe_rest(const Range& range) {
    std::string text = range.nans > 0 ? std::to_string(range.nans) + " NaN" : "";
    if (range.infinities > 0) {
        text += (text.empty() ? "" : ", ") + std::to_string(range.infinities) + " infinite";
    }
    return text.empty() ? "none" : text;
}

Row comparison_cells(const std::optional<Comparison>& comparison) {
    if (!comparison) {
        return {"", "", "not compared"};
    }
    if (comparison->needed) {
        return {"", "", "FAILS: needs the shape " + describe(*comparison->needed)};
    }
    return {number(comparison->difference.largest, "%.3g"),
            number(comparison->difference.relative, "%.3g"),
            comparison->passes ? "passes" : "FAILS"};
}

std::string to_table(const std::vector<Row>& rows) {
    std::vector<std::size_t> widths(rows[0].size());
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], apps::count_columns(row[i]));
        }
    }
    std::string text;
    for (const Row& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += (i == 0 ? "" : "  ") + apps::pad_right(row[i], widths[i]);
        }
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return text;
}

}  // namespace

bool Report::passes() const {
    return std::none_of(outputs.begin(), outputs.end(), [](const OutputReport& output) {
        return output.comparison && !output.comparison->passes;
    });
}

std::string to_text(const Report& report) {
    const bool compared = std::any_of(report.outputs.begin(), report.outputs.end(),
                                      [](const OutputReport& o) { return o.comparison; });
    std::vector<Row> rows = {{"output", "shape", "min", "max", "mean", "not finite"}};
    if (compared) {
        rows[0].insert(rows[0].end(), {"largest difference", "relative", "expectation"});
    }
    std::string files;
    for (const OutputReport& output : report.outputs) {
        const std::string name = apps::to_printable(output.name);
        Row row = {name,
                   describe(output.shape),
                   number(output.range.least),
                   number(output.range.most),
                   number(output.range.mean),
                   describe_rest(output.range)};
        if (compared) {
            const Row cells = comparison_cells(output.comparison);
            row.insert(row.end(), cells.begin(), cells.end());
        }
        rows.push_back(std::move(row));
        if (output.file) {
            files += name + " is in " + apps::to_printable(output.file->string()) + "\n";
        }
    }
    std::string text = to_table(rows) + files;
    if (report.times) {
        text += std::to_string(report.times->runs) + (report.times->runs == 1 ? " run" : " runs") +
                ", median " + number(report.times->median_ms, "%.3f") +
                " ms, 10% to 90%: " + number(report.times->p10_ms, "%.3f") + " to " +
                number(report.times->p90_ms, "%.3f") + " ms, target " + report.target + ", " +
                std::to_string(report.threads) + (report.threads == 1 ? " thread" : " threads") +
                "\n";
    }
    return text;
}

}  // namespace sluice::run
