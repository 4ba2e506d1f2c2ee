#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sluice::benchmark {

/// One side of a plot. Ticks outside the range are left out; a logarithmic range is positive.
struct Axis {
    std::string label;
    double low = 0;
    double high = 1;
    bool logarithmic = false;
    std::vector<double> ticks;

    /// 0 at low, 1 at high.
    double place(double value) const;
};

/// Round numbers from 0 to at least `high`, about five of them.
std::vector<double> linear_ticks(double high);
/// 1, 2, 5, 10, 20 ... from at most `low` to at least `high`.
std::vector<double> log_ticks(double low, double high);
/// A number without needless digits: "0.5", "20", "1000".
std::string short_number(double value);

using Points = std::vector<std::pair<double, double>>;

/// A plot of lines and dots as inline SVG. Colours are CSS; what lies outside the axes is cut off.
class Plot {
public:
    Plot(std::string title, Axis x, Axis y, int width, int height);

    /// `dashed` for what is not measured. A name goes into the legend, unless it is empty.
    void add_line(const Points& points, const std::string& colour, bool dashed,
                  const std::string& name);
    /// Hollow dots show the background inside.
    void add_dots(const Points& points, const std::string& colour, bool hollow,
                  const std::string& name);
    std::string to_svg() const;

private:
    double x_of(double value) const;
    double y_of(double value) const;
    std::string axes() const;
    std::string legend() const;

    std::string title_;
    Axis x_, y_;
    int width_, height_;
    std::string marks_;
    struct Entry {
        std::string name, colour;
        bool line, dashed, hollow;
    };
    std::vector<Entry> entries_;
};

/// A horizontal bar: its label, its length, and the text at its end.
struct Bar {
    std::string label;
    double value = 0;  ///< 0: none, the text alone
    std::string text;
    std::string colour;
};

/// Bars from a common zero, under a title, with the unit at the axis.
std::string to_svg(const std::string& title, const std::string& unit, const std::vector<Bar>& bars);

}  // namespace sluice::benchmark
