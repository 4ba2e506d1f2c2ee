#include "autotune/report.h"

#include <set>
#include <vector>

#include "common/statistics.h"
#include "common/table.h"

namespace sluice::autotune {
namespace {

using apps::fixed;
using Row = std::vector<std::string>;

Row describe(const std::string& kernel, const LayerEvidence& layer) {
    const auto macs = static_cast<double>(layer.macs);
    return {kernel,
            layer.shape,
            fixed(layer.density, 2),
            fixed(layer.before_ms, 4),
            fixed(apps::gflops(macs, layer.before_ms), 1),
            fixed(layer.after_ms, 4),
            fixed(apps::gflops(macs, layer.after_ms), 1),
            fixed(layer.before_ms / layer.after_ms, 2) + "x"};
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
    apps::Table table{
        {"kernel", "layer", "density", "before ms", "GFLOPS", "after ms", "GFLOPS", "gain"},
        2,
        false,
        {}};
    std::string changes;
    std::set<std::string> places;
    for (const auto& [kernel, e] : evidence) {
        for (const LayerEvidence& layer : e.layers) {
            table.rows.push_back(describe(kernel, layer));
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
    std::string text = to_text(table) + "\n" + changes + "\n";
    for (const std::string& place : places) {
        text += "Measured on: " + place + "\n";
    }
    return text;
}

}  // namespace sluice::autotune
