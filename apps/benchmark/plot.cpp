#include "benchmark/plot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "common/table.h"

namespace sluice::benchmark {
namespace {

// Room around the axes, in pixels: for the title, for ticks and labels.
constexpr double top = 34, right = 14, bottom = 46, left = 58;
constexpr double legend_line = 18;

std::string attribute(const char* name, double value) {
    return std::string(" ") + name + "=\"" + apps::fixed(value, 1) + "\"";
}

std::string text_at(double x, double y, const char* anchor, const std::string& text,
                    const std::string& more = {}) {
    return "<text" + attribute("x", x) + attribute("y", y) + " text-anchor=\"" + anchor + "\"" +
           more + ">" + apps::escape_html(text) + "</text>\n";
}

std::string line_from(double x1, double y1, double x2, double y2, const std::string& colour,
                      const std::string& more = {}) {
    return "<line" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) +
           attribute("y2", y2) + " stroke=\"" + colour + "\"" + more + "/>\n";
}

std::string circle(double x, double y, const std::string& colour, bool hollow) {
    return "<circle" + attribute("cx", x) + attribute("cy", y) + " r=\"3.6\" stroke=\"" + colour +
           "\" stroke-width=\"1.6\" fill=\"" + (hollow ? "#fff" : colour) + "\"/>\n";
}

std::string open_svg(double width, double height) {
    const std::string w = apps::fixed(width, 0), h = apps::fixed(height, 0);
    return "<svg viewBox=\"0 0 " + w + " " + h + "\" width=\"" + w + "\" height=\"" + h +
           "\" role=\"img\">\n";
}

const char* const grid = "#e3e6ea";
const char* const ink = "#55606b";
const char* const dash = " stroke-dasharray=\"5 4\"";

}  // namespace

double Axis::place(double value) const {
    return logarithmic ? std::log(value / low) / std::log(high / low)
                       : (value - low) / (high - low);
}

std::vector<double> linear_ticks(double high) {
    const double rough = std::max(high, 1e-9) / 5;
    const double decade = std::pow(10.0, std::floor(std::log10(rough)));
    double step = 10 * decade;
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (factor * decade >= rough) {
            step = factor * decade;
            break;
        }
    }
    std::vector<double> ticks = {0};
    while (ticks.back() < high) {
        ticks.push_back(step * static_cast<double>(ticks.size()));
    }
    return ticks;
}

std::vector<double> log_ticks(double low, double high) {
    std::vector<double> ticks;
    for (double decade = std::pow(10.0, std::floor(std::log10(low)));; decade *= 10) {
        for (const double factor : {1.0, 2.0, 5.0}) {
            const double tick = factor * decade;
            if (!ticks.empty() && tick <= low) {
                ticks.clear();
            }
            ticks.push_back(tick);
            if (tick >= high) {
                return ticks;
            }
        }
    }
}

std::string short_number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.10g", value);
    return text;
}

Plot::Plot(std::string title, Axis x, Axis y, int width, int height)
    : title_(std::move(title)),
      x_(std::move(x)),
      y_(std::move(y)),
      width_(width),
      height_(height) {}

double Plot::x_of(double value) const { return left + x_.place(value) * (width_ - left - right); }

double Plot::y_of(double value) const {
    return height_ - bottom - y_.place(value) * (height_ - top - bottom);
}

void Plot::add_line(const Points& points, const std::string& colour, bool dashed,
                    const std::string& name) {
    marks_ += "<polyline fill=\"none\" stroke=\"" + colour + "\" stroke-width=\"1.8\"" +
              (dashed ? dash : "") + " points=\"";
    for (const auto& [x, y] : points) {
        marks_ += apps::fixed(x_of(x), 1) + "," + apps::fixed(y_of(y), 1) + " ";
    }
    marks_ += "\"/>\n";
    if (!name.empty()) {
        entries_.push_back({name, colour, true, dashed, false});
    }
}

void Plot::add_dots(const Points& points, const std::string& colour, bool hollow,
                    const std::string& name) {
    for (const auto& [x, y] : points) {
        marks_ += circle(x_of(x), y_of(y), colour, hollow);
    }
    if (!name.empty()) {
        entries_.push_back({name, colour, false, false, hollow});
    }
}

std::string Plot::axes() const {
    std::string svg;
    const double x0 = left, x1 = width_ - right, y0 = height_ - bottom, y1 = top;
    const auto inside = [](const Axis& axis, double tick) {
        return tick >= axis.low * 0.999 && tick <= axis.high * 1.001;
    };
    for (const double tick : x_.ticks) {
        if (inside(x_, tick)) {
            svg += line_from(x_of(tick), y0, x_of(tick), y1, grid);
            svg += text_at(x_of(tick), y0 + 16, "middle", short_number(tick));
        }
    }
    for (const double tick : y_.ticks) {
        if (inside(y_, tick)) {
            svg += line_from(x0, y_of(tick), x1, y_of(tick), grid);
            svg += text_at(x0 - 7, y_of(tick) + 4, "end", short_number(tick));
        }
    }
    svg += line_from(x0, y0, x1, y0, ink) + line_from(x0, y0, x0, y1, ink);
    svg += text_at((x0 + x1) / 2, height_ - 10, "middle", x_.label);
    const std::string turn = " transform=\"rotate(-90 14 " + apps::fixed((y0 + y1) / 2, 1) + ")\"";
    return svg + text_at(14, (y0 + y1) / 2, "middle", y_.label, turn);
}

std::string Plot::legend() const {
    std::string svg;
    double y = height_ + 8;
    for (const Entry& entry : entries_) {
        svg += entry.line
                   ? line_from(left, y - 4, left + 22, y - 4, entry.colour,
                               " stroke-width=\"1.8\"" + std::string(entry.dashed ? dash : ""))
                   : circle(left + 11, y - 4, entry.colour, entry.hollow);
        svg += text_at(left + 30, y, "start", entry.name);
        y += legend_line;
    }
    return svg;
}

std::string Plot::to_svg() const {
    const double height = height_ + legend_line * static_cast<double>(entries_.size());
    // Nested, because an inner svg cuts off at its edges.
    const std::string inner = "<svg viewBox=\"0 0 " + std::to_string(width_) + " " +
                              std::to_string(height_) + "\" width=\"" + std::to_string(width_) +
                              "\" height=\"" + std::to_string(height_) + "\">\n";
    return open_svg(width_, height) + text_at(left, 18, "start", title_, " class=\"title\"") +
           axes() + inner + marks_ + "</svg>\n" + legend() + "</svg>\n";
}

std::string to_svg(const std::string& title, const std::string& unit,
                   const std::vector<Bar>& bars) {
    constexpr double width = 900, label_width = 300, text_width = 150, bar = 16, step = 23;
    double most = 0;
    for (const Bar& each : bars) {
        most = std::max(most, each.value);
    }
    const std::vector<double> ticks = linear_ticks(most);
    const double scale = (width - label_width - text_width) / ticks.back();
    const double end = top + step * static_cast<double>(bars.size());
    std::string svg =
        open_svg(width, end + 40) + text_at(0, 18, "start", title, " class=\"title\"");
    for (const double tick : ticks) {
        const double x = label_width + scale * tick;
        svg += line_from(x, top, x, end, grid) + text_at(x, end + 15, "middle", short_number(tick));
    }
    svg += text_at(label_width + scale * ticks.back() / 2, end + 33, "middle", unit);
    double y = top + (step - bar) / 2;
    for (const Bar& each : bars) {
        const double length = scale * each.value;
        svg += text_at(label_width - 8, y + 12, "end", each.label);
        svg += "<rect" + attribute("x", label_width) + attribute("y", y) +
               attribute("width", length) + attribute("height", bar) + " fill=\"" + each.colour +
               "\"/>\n";
        svg += text_at(label_width + length + 6, y + 12, "start", each.text);
        y += step;
    }
    return svg + line_from(label_width, top, label_width, end, ink) + "</svg>\n";
}

}  // namespace sluice::benchmark
