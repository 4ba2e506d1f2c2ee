#include "autotune/report.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <vector>

#include "benchmark/statistics.h"

namespace sluice::autotune {
namespace {

using Row = std::vector<std::string>;

std::string fixed(double value, int digits) {
    char text[32];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

Row describe(const std::string& kernel, const LayerEvidence& layer) {
    const auto macs = static_cast<double>(layer.macs);
    return {kernel,
            layer.shape,
            fixed(layer.density, 2),
            fixed(layer.before_ms, 4),
            fixed(benchmark::gflops(macs, layer.before_ms), 1),
            fixed(layer.after_ms, 4),
            fixed(benchmark::gflops(macs, layer.after_ms), 1),
            fixed(layer.before_ms / layer.after_ms, 2) + "x"};
}

std::string align(const std::vector<Row>& rows) {
    std::vector<std::size_t> widths(rows[0].size());
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], row[i].size());
        }
    }
    std::string text;
    for (const Row& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string fill(widths[i] - row[i].size(), ' ');
            const bool is_text = i < 2;
            line += (i ? "  " : "") + (is_text ? row[i] + fill : fill + row[i]);
        }
        text += line + "\n";
    }
    return text;
}

}  // namespace

std::string describe(const BreakEvenEvidence& e) {
    const std::string direct = e.against.substr(0, e.against.find(' '));
    return (e.after == e.before ? "keeps its break-even " + fixed(e.before, 2)
                                : "break-even " + fixed(e.before, 2) + " -> " + fixed(e.after, 2)) +
           ", measured " + fixed(e.measured, 3) + " within " + fixed(e.spread, 3) + " against " +
           direct;
}

std::string draw_report(const Evidence& evidence) {
    std::vector<Row> rows = {
        {"kernel", "layer", "density", "before ms", "GFLOPS", "after ms", "GFLOPS", "gain"}};
    std::string changes;
    std::set<std::string> places;
    for (const auto& [kernel, e] : evidence) {
        for (const LayerEvidence& layer : e.layers) {
            rows.push_back(describe(kernel, layer));
        }
        const std::string numbers = e.best == e.before
                                        ? "keeps " + to_text(e.before)
                                        : to_text(e.before) + " -> " + to_text(e.best);
        changes += kernel + ": " + numbers + ", " + std::to_string(e.tried.size()) + " tried" +
                   (e.is_finished ? "" : ", not finished") + "\n";
        if (e.break_even) {
            changes += kernel + ": " + describe(*e.break_even) + "\n";
        }
        places.insert(e.basis.cpu + ", " + e.date + ", densities " + e.basis.densities);
    }
    std::string text = align(rows) + "\n" + changes + "\n";
    for (const std::string& place : places) {
        text += "Measured on: " + place + "\n";
    }
    return text;
}

}  // namespace sluice::autotune
