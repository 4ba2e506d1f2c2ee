#include "classify/mask_sheet.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string_view>

#include "classify/canvas.h"
#include "classify/font.h"

namespace sluice::classify {
namespace {

constexpr Colour background = {32, 33, 38};
constexpr Colour frame = {84, 86, 96};
constexpr Colour bright = {236, 237, 240};
constexpr Colour dim = {164, 167, 176};

constexpr int margin = 28;
constexpr int gap = 20;
constexpr int text_scale = 2;
constexpr int line = (line_height + 2) * text_scale;
constexpr int label_lines = 2;
// Smallest and largest side of a heat map's place.
constexpr int least_side = 176;
constexpr int most_side = 384;
constexpr int legend_bar = 16;
constexpr int legend_height = 2 * (legend_bar + 10);

// The largest size of whole factors that fits a square; smaller than the source only by need.
Box enlarge(std::int64_t width, std::int64_t height, int side) {
    const std::int64_t longer = std::max(width, height);
    if (longer <= side) {
        const std::int64_t factor = side / longer;
        return {0, 0, static_cast<int>(width * factor), static_cast<int>(height * factor)};
    }
    const double factor = static_cast<double>(side) / static_cast<double>(longer);
    return {0, 0, std::max(1, static_cast<int>(static_cast<double>(width) * factor)),
            std::max(1, static_cast<int>(static_cast<double>(height) * factor))};
}

int place_side(std::span<const GateMap> maps) {
    std::int64_t longest = 1;
    for (const GateMap& map : maps) {
        longest = std::max({longest, map.height, map.width});
    }
    const std::int64_t factor = (least_side + longest - 1) / longest;
    return static_cast<int>(std::min<std::int64_t>(longest * factor, most_side));
}

std::vector<std::string_view> components(std::string_view name) {
    std::vector<std::string_view> parts;
    for (std::size_t start = 0; start <= name.size();) {
        const std::size_t end = std::min(name.find('/', start), name.size());
        parts.push_back(name.substr(start, end - start));
        start = end + 1;
    }
    return parts;
}

// How many components all begin with (or end with, where `reversed` holds them backwards), at
// most one less than the shortest has.
std::size_t count_common(const std::vector<std::vector<std::string_view>>& names) {
    std::size_t shortest = names.front().size();
    for (const auto& name : names) {
        shortest = std::min(shortest, name.size());
    }
    std::size_t common = 0;
    while (common + 1 < shortest && std::all_of(names.begin(), names.end(), [&](const auto& name) {
               return name[common] == names.front()[common];
           })) {
        ++common;
    }
    return common;
}

std::string describe_density(const GateMap& map) {
    char text[64];
    std::snprintf(text, sizeof text, "density %.0f%%%s", 100.0 * map.density,
                  map.skips ? "" : " *");
    return text;
}

void draw_map(Canvas& canvas, const GateMap& map, const std::string& name, const Box& box,
              int side) {
    canvas.fill(box.left - 1, box.top - 1, box.width + 2, box.height + 2, frame);
    canvas.place(draw_heat_map(map), box.left, box.top, box.width, box.height);
    const int top = box.top + box.height + 10;
    canvas.write(shorten(name, text_scale, side), box.left, top, text_scale, bright);
    canvas.write(shorten(describe_density(map), text_scale, side), box.left, top + line, text_scale,
                 dim);
}

void draw_legend(Canvas& canvas, const Box& input, int top, bool any_dense) {
    const int scale_width = 6 * legend_bar;
    const int text_left = input.left + scale_width + 12;
    const int text_drop = (legend_bar - glyph_height * text_scale) / 2;
    canvas.fill(input.left - 1, top - 1, scale_width + 2, legend_bar + 2, frame);
    canvas.fill(input.left, top, scale_width, legend_bar, skipped_colour);
    canvas.write(any_dense ? "skipped (* computed)" : "skipped", text_left, top + text_drop,
                 text_scale, dim);
    top += legend_bar + 10;
    for (int x = 0; x < scale_width; ++x) {
        canvas.fill(input.left + x, top, 1, legend_bar,
                    heat_colour(static_cast<double>(x) / (scale_width - 1)));
    }
    canvas.write("active: low to high", text_left, top + text_drop, text_scale, dim);
}

}  // namespace

std::vector<std::string> distinct_names(std::span<const GateMap> maps) {
    std::vector<std::vector<std::string_view>> names;
    for (const GateMap& map : maps) {
        names.push_back(components(map.layer));
    }
    if (names.empty()) {
        return {};
    }
    const std::size_t first = maps.size() > 1 ? count_common(names) : 0;
    for (auto& name : names) {
        name.erase(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(first));
        std::reverse(name.begin(), name.end());
    }
    const std::size_t last = maps.size() > 1 ? count_common(names) : 0;
    std::vector<std::string> result;
    for (auto& name : names) {
        std::string joined;
        for (std::size_t i = name.size(); i > last; --i) {
            if (i < name.size()) {
                joined += '/';
            }
            joined += name[i - 1];
        }
        result.push_back(joined);
    }
    return result;
}

SheetLayout lay_out_sheet(const image::Image& input, std::span<const GateMap> maps,
                          std::size_t caption_lines) {
    SheetLayout layout;
    const int side = place_side(maps);
    const int input_side = 2 * side + gap;
    layout.input = enlarge(input.width, input.height, input_side);
    layout.input.left = layout.input.top = margin;
    layout.caption_top = margin + layout.input.height + 14;
    layout.legend_top = layout.caption_top + static_cast<int>(caption_lines) * line + 6;
    layout.height = layout.legend_top + legend_height + margin;

    const int columns =
        static_cast<int>(std::ceil(std::sqrt(2.0 * static_cast<double>(maps.size()))));
    const int row_height = side + 10 + label_lines * line + gap;
    const int grid_left = margin + input_side + 2 * gap;
    int column = 0;
    int row = 0;
    layout.width = grid_left - 2 * gap + margin;
    for (std::size_t i = 0; i < maps.size(); ++i) {
        const bool resized =
            i > 0 && (maps[i].height != maps[i - 1].height || maps[i].width != maps[i - 1].width);
        if (column == columns || (resized && column > 0)) {
            column = 0;
            ++row;
        }
        Box box = enlarge(maps[i].width, maps[i].height, side);
        box.left = grid_left + column * (side + gap);
        box.top = margin + row * row_height;
        layout.maps.push_back(box);
        layout.width = std::max(layout.width, box.left + side + margin);
        layout.height = std::max(layout.height, box.top + row_height - gap + margin);
        ++column;
    }
    return layout;
}

image::Image draw_mask_sheet(const image::Image& input, std::span<const GateMap> maps,
                             std::span<const std::string> caption) {
    const SheetLayout layout = lay_out_sheet(input, maps, caption.size());
    const int side = place_side(maps);
    Canvas canvas(layout.width, layout.height, background);
    const bool shrinks = layout.input.width < input.width;
    canvas.place(shrinks ? image::resize(input, layout.input.width, layout.input.height) : input,
                 layout.input.left, layout.input.top, layout.input.width, layout.input.height);
    int top = layout.caption_top;
    for (const std::string& text : caption) {
        canvas.write(shorten(text, text_scale, 2 * side + gap), layout.input.left, top, text_scale,
                     bright);
        top += line;
    }
    bool any_dense = false;
    const std::vector<std::string> names = distinct_names(maps);
    for (std::size_t i = 0; i < maps.size(); ++i) {
        draw_map(canvas, maps[i], names[i], layout.maps[i], side);
        any_dense = any_dense || !maps[i].skips;
    }
    draw_legend(canvas, layout.input, layout.legend_top, any_dense);
    return canvas.image();
}

}  // namespace sluice::classify
