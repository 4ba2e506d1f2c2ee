#pragma once

#include <span>
#include <string>
#include <vector>

#include "classify/heat_map.h"
#include "image/image.h"

namespace sluice::classify {

/// A rectangle in pixels of the sheet.
struct Box {
    int left = 0;
    int top = 0;
    int width = 0;
    int height = 0;
};

/// Where everything is drawn: at the left the input, with its caption and the legend under it; at
/// the right a grid of heat maps, in which a new map size starts a new row.
struct SheetLayout {
    int width = 0;
    int height = 0;
    Box input;
    int caption_top = 0;
    int legend_top = 0;
    std::vector<Box> maps;  ///< in the order of the layers
};

/// Maps and input are enlarged by whole factors; only what is larger than its place shrinks.
SheetLayout lay_out_sheet(const image::Image& input, std::span<const GateMap> maps,
                          std::size_t caption_lines);

/// The layers' names without the path components that all of them begin or end with.
std::vector<std::string> distinct_names(std::span<const GateMap> maps);

/// The input beside one heat map per gated layer, each with its name and density.
image::Image draw_mask_sheet(const image::Image& input, std::span<const GateMap> maps,
                             std::span<const std::string> caption);

}  // namespace sluice::classify
