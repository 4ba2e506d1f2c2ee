#include "benchmark/html.h"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "benchmark/markdown.h"
#include "benchmark/plot.h"
#include "benchmark/report_tables.h"

namespace sluice::benchmark {
namespace {

// Told apart by people who do not see red and green alike (Okabe and Ito), darkened for white.
constexpr std::array<const char*, 8> colours = {"#0067a6", "#c9721b", "#00805f", "#8c4b9b",
                                                "#a8851c", "#b03a5b", "#3b8fc2", "#5c6670"};
constexpr const char* proportional_colour = "#8a939c";

const char* const style =
    "body{font:15px/1.5 system-ui,sans-serif;color:#1d242b;background:#fff;max-width:1320px;"
    "margin:32px auto;padding:0 20px}h1{font-size:26px}h2{font-size:19px;margin-top:40px}"
    "p{max-width:760px}svg{font-size:12px;fill:#33404c;overflow:visible}"
    ".title{font-size:14px;font-weight:600;fill:#1d242b}"
    ".plots{display:flex;flex-wrap:wrap;gap:26px 22px}"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px;margin:14px 0;"
    "font-variant-numeric:tabular-nums}th,td{padding:3px 9px;text-align:right;white-space:nowrap;"
    "border-bottom:1px solid #e3e6ea}th{color:#55606b;font-weight:600}.left{text-align:left}";

std::string section(const std::string& title, const std::string& text, const std::string& body) {
    return "<h2>" + title + "</h2>\n<p>" + apps::escape_html(text) + "</p>\n" + body;
}

std::string scrolled(const apps::Table& table) {
    return "<div class=\"scroll\">\n" + to_html(table) + "</div>\n";
}

/// The same colour for the same engine everywhere.
const char* colour_of(const std::vector<std::string>& known, const std::string& name) {
    const auto at = std::find(known.begin(), known.end(), name) - known.begin();
    return colours[static_cast<std::size_t>(at) % colours.size()];
}

template <typename Row, typename Name>
std::vector<std::string> distinct(const std::vector<Row>& rows, Name name) {
    std::vector<std::string> names;
    for (const Row& row : rows) {
        if (std::find(names.begin(), names.end(), name(row)) == names.end()) {
            names.push_back(name(row));
        }
    }
    return names;
}

std::string title_of(const NetworkResult& row) {
    return row.network + (row.weights == "trained" ? "" : ", " + row.weights + " weights") + ", " +
           std::to_string(row.threads) + (row.threads == 1 ? " thread" : " threads") + ", batch " +
           std::to_string(row.batch);
}

std::string network_bars(const Report& report) {
    const std::vector<std::string> engines =
        distinct(report.networks, [](const NetworkResult& row) { return row.engine; });
    std::string svg;
    for (const std::string& title : distinct(report.networks, title_of)) {
        std::vector<Bar> bars;
        for (const NetworkResult& row : report.networks) {
            if (title_of(row) != title) {
                continue;
            }
            const double ms = row.times ? row.times->median_ms : 0;
            if (row.engine == engines[0] && !bars.empty()) {
                bars.push_back({});  // room between the files
            }
            bars.push_back({row.file + ", " + row.engine, ms,
                            row.times ? apps::fixed(ms, 3) + " ms" : row.problem,
                            colour_of(engines, row.engine)});
        }
        svg += "<div>" + to_svg(title, "median of a run, ms", bars) + "</div>\n";
    }
    return svg;
}

std::string shape_of(const KernelResult& row) {
    return std::to_string(row.height) + "x" + std::to_string(row.width) + "x" +
           std::to_string(row.channels);
}

/// A line of a density plot.
struct Curve {
    std::string family;
    bool generic = false;
    const char* colour;
    std::string name;
    Points points = {};  ///< share of the positions, us
};

/// Rows of masks drawn position by position, but for Winograd's, a gate per tile.
Points times_of(const Report& report, const std::string& shape, const Curve& curve) {
    Points points;
    for (const KernelResult& row : report.kernels) {
        if (row.times && shape_of(row) == shape && row.family == curve.family &&
            row.is_generic == curve.generic && (row.tiles > 0) == row.is_winograd()) {
            const double share = static_cast<double>(row.active) / (row.height * row.width);
            points.emplace_back(share, row.times->median_ms * 1000);
        }
    }
    std::sort(points.begin(), points.end());
    return points;
}

std::string density_plot(const Report& report, const std::string& shape) {
    std::vector<Curve> curves = {
        {"gated_conv", false, colours[0], "gated, for this shape"},
        {"gated_conv", true, colours[1], "gated, generic"},
        {"gated_winograd", false, colours[3], "gated, Winograd on active tiles"},
        {"dense_conv", false, colours[2], "dense, for this shape"},
        {"dense_winograd", false, colours[5], "dense, Winograd"}};
    if (times_of(report, shape, curves[0]).empty()) {
        curves[3] = {"dense_conv", true, colours[2], "dense, generic"};
    }
    double most = 0;
    for (Curve& curve : curves) {
        const bool is_winograd = curve.family.ends_with("_winograd");
        curve.generic |= is_winograd && times_of(report, shape, curve).empty();
        curve.points = times_of(report, shape, curve);
        for (const auto& [share, us] : curve.points) {
            most = std::max(most, us);
        }
    }
    if (most == 0) {
        return {};
    }
    const std::vector<double> ticks = linear_ticks(most);
    Plot plot(shape + ", 3x3", {"density", 0, 1.04, false, {0, 0.2, 0.4, 0.6, 0.8, 1}},
              {"median, us", 0, ticks.back(), false, ticks}, 340, 270);
    const Points& best = curves[curves[0].points.empty() ? 1 : 0].points;
    if (!best.empty()) {
        const auto& [share, us] = best.back();
        plot.add_line({{0, 0}, {1, us / share}}, proportional_colour, true,
                      "theoretical: proportional to the density");
    }
    for (const Curve& curve : curves) {
        if (curve.points.empty()) {
            continue;
        }
        const bool is_dense = curve.family.starts_with("dense");
        if (!is_dense) {
            plot.add_line(curve.points, curve.colour, false, "");
        }
        plot.add_dots(curve.points, curve.colour, is_dense || curve.generic, curve.name);
    }
    return "<div>" + plot.to_svg() + "</div>\n";
}

std::string roofline(const Report& report) {
    const std::vector<std::string> shapes = distinct(report.kernels, shape_of);
    std::map<std::string, Points> special, generic;
    double least = 1, slowest = report.machine.fma_peak_gflops / 10;
    double most = 100;
    for (const KernelResult& row : report.kernels) {
        if (row.times && row.family == "gated_conv" && row.tiles == 0) {
            auto& points = row.is_generic ? generic : special;
            points[shape_of(row)].emplace_back(row.intensity(), row.gflops());
            least = std::min(least, row.intensity());
            most = std::max(most, row.intensity());
            slowest = std::min(slowest, row.gflops());
        }
    }
    const Machine& machine = report.machine;
    const std::vector<double> x_ticks = log_ticks(least, most);
    const std::vector<double> y_ticks = log_ticks(slowest, machine.fma_peak_gflops);
    Plot plot(
        "Roofline of one core, direct gated kernels at each density",
        {"float32 operations a byte, everything moved once", x_ticks.front(), x_ticks.back(), true,
         x_ticks},
        {"GFLOPS of active work", y_ticks.front(), machine.fma_peak_gflops * 1.6, true, y_ticks},
        760, 440);
    const auto roof = [&](double rate, const char* colour, const std::string& name) {
        Points line;
        for (double x = x_ticks.front(); x < x_ticks.back() * 1.01; x *= 1.05) {
            line.emplace_back(x, std::min(machine.fma_peak_gflops, rate * x));
        }
        plot.add_line(line, colour, true, name);
    };
    roof(machine.memory_gbps, "#b7bec5",
         "memory, " + apps::fixed(machine.memory_gbps, 0) + " GB/s, under the FMA peak of " +
             apps::fixed(machine.fma_peak_gflops, 1) + " GFLOPS");
    roof(machine.cache_gbps, "#5c6670",
         "cache, " + apps::fixed(machine.cache_gbps, 0) + " GB/s, under the same");
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        const char* colour = colours[i % colours.size()];
        const bool has_special = special.contains(shapes[i]);
        plot.add_dots(generic[shapes[i]], colour, true,
                      has_special ? "" : shapes[i] + ", generic kernel only");
        plot.add_dots(special[shapes[i]], colour, false,
                      has_special ? shapes[i] + " (hollow: its generic kernel)" : "");
    }
    return "<div>" + plot.to_svg() + "</div>\n";
}

std::string density_plots(const Report& report) {
    std::string plots = "<div class=\"plots\">\n";
    for (const std::string& shape : distinct(report.kernels, shape_of)) {
        plots += density_plot(report, shape);
    }
    return plots + "</div>\n";
}

}  // namespace

std::string to_html(const Report& report) {
    std::string page =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width\">"
        "<title>Sluice benchmarks</title>\n<style>" +
        std::string(style) + "</style></head>\n<body>\n<h1>Sluice benchmarks</h1>\n<p>" +
        apps::escape_html(describe(report.machine)) + ". All figures are fp32.</p>\n";
    if (!report.networks.empty()) {
        page += section(
            "Engines by network", network_method(),
            network_bars(report) + scrolled(network_table(report.networks, report.machine)));
    }
    if (!report.layers.empty()) {
        page += section("Gated layers inside networks", layer_method(),
                        scrolled(layer_table(report.layers)));
    }
    if (!report.kernels.empty()) {
        page += section("Time against density", kernel_method(), density_plots(report));
        page +=
            section("Roofline",
                    "A kernel can reach the lower of the peak and what its bytes a second "
                    "allow. Fewer active positions share the same weights, so that dots move "
                    "left as the density falls. Winograd's kernels are left out: they multiply "
                    "less than the MACs that are counted, so that the peak does not bound them.",
                    roofline(report));
        page += section("Kernels", "The figures behind the plots.",
                        scrolled(kernel_table(report.kernels, report.machine)));
    }
    return page + "</body></html>\n";
}

}  // namespace sluice::benchmark
