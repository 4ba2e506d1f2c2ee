#include <catch2/catch.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "classify/canvas.h"
#include "classify/font.h"
#include "classify/heat_map.h"
#include "classify/mask_sheet.h"

using namespace sluice::classify;
using sluice::image::Image;

namespace {

Colour pixel(const Image& image, int x, int y) {
    const std::size_t at =
        3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) +
             static_cast<std::size_t>(x));
    return {image.rgb[at], image.rgb[at + 1], image.rgb[at + 2]};
}

// Rec. 709 luma of gamma-coded samples, 0 to 255.
double luma(const Colour& colour) {
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2];
}

bool overlap(const Box& a, const Box& b) {
    return a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height &&
           b.top < a.top + a.height;
}

GateMap make_map(const std::string& layer, std::int64_t height, std::int64_t width,
                 std::span<const float> values, std::int64_t groups = 1) {
    return {layer, groups, height, width, values, 0.5, true};
}

}  // namespace

TEST_CASE("the scale grows lighter from end to end, above the colour of skipped positions") {
    double last = luma(skipped_colour) + 30.0;
    for (int i = 0; i <= 100; ++i) {
        const double lightness = luma(heat_colour(i / 100.0));
        CHECK(lightness > last);
        last = lightness;
    }
    CHECK(heat_colour(-1.0) == heat_colour(0.0));
    CHECK(heat_colour(2.0) == heat_colour(1.0));
}

TEST_CASE("a heat map shows the mean over maps, and where all gates skip") {
    // Means 0, 0.5, 1, 0.25 of two maps.
    const std::vector<float> values = {0.0f, 1.0f, 1.5f, 0.5f, 0.0f, 0.0f, 0.5f, 0.0f};
    const Image image = draw_heat_map(make_map("x", 2, 2, values, 2));
    CHECK(pixel(image, 0, 0) == skipped_colour);
    CHECK(pixel(image, 1, 0) == heat_colour(0.5));
    CHECK(pixel(image, 0, 1) == heat_colour(1.0));
    CHECK(pixel(image, 1, 1) == heat_colour(0.25));

    const std::vector<float> dead(4, 0.0f);
    CHECK(pixel(draw_heat_map(make_map("x", 2, 2, dead)), 1, 1) == skipped_colour);
}

TEST_CASE("maps are enlarged by whole factors and never overlap") {
    const std::vector<float> values(64 * 64, 1.0f);
    const auto of = [&](std::size_t count) { return std::span(values).first(count); };
    const Image input{32, 24, std::vector<std::uint8_t>(32 * 24 * 3)};
    const std::vector<GateMap> maps = {
        make_map("a", 32, 32, of(1024)), make_map("b", 32, 32, of(1024)),
        make_map("c", 8, 16, of(128)),   make_map("d", 8, 16, of(128)),
        make_map("e", 8, 16, of(128)),   make_map("f", 8, 16, of(128))};
    const SheetLayout layout = lay_out_sheet(input, maps, 3);
    REQUIRE(layout.maps.size() == 6);
    for (std::size_t i = 0; i < 6; ++i) {
        const Box& box = layout.maps[i];
        CHECK(box.width % maps[i].width == 0);
        CHECK(box.width / maps[i].width == box.height / maps[i].height);
        CHECK(box.width >= 160);
        CHECK(box.left + box.width < layout.width);
        CHECK(box.top + box.height < layout.height);
        CHECK_FALSE(overlap(box, layout.input));
        for (std::size_t j = 0; j < i; ++j) {
            CHECK_FALSE(overlap(box, layout.maps[j]));
        }
    }
    // A new size starts a new row.
    CHECK(layout.maps[1].top == layout.maps[0].top);
    CHECK(layout.maps[2].top > layout.maps[0].top);
    CHECK(layout.maps[2].left == layout.maps[0].left);
    CHECK(layout.input.width * 24 == layout.input.height * 32);
    CHECK(layout.input.width > layout.maps[0].width);
    CHECK(layout.caption_top > layout.input.top + layout.input.height);
    CHECK(layout.legend_top > layout.caption_top);
}

TEST_CASE("maps and inputs larger than their place shrink") {
    const std::vector<float> values(1000 * 500, 1.0f);
    const Image input{2000, 1000, std::vector<std::uint8_t>(2000 * 1000 * 3, 9)};
    const std::vector<GateMap> maps = {make_map("a", 500, 1000, values)};
    const SheetLayout layout = lay_out_sheet(input, maps, 0);
    CHECK(layout.maps[0].width == 384);
    CHECK(layout.maps[0].height == 192);
    CHECK(layout.input.width == 2 * layout.input.height);
    CHECK(layout.width < 1400);
    const Image sheet = draw_mask_sheet(input, maps, {});
    CHECK(pixel(sheet, layout.input.left, layout.input.top) == Colour{9, 9, 9});
}

TEST_CASE("a sheet holds each pixel of input and map, enlarged") {
    const Image input{2, 2, {10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120}};
    const std::vector<float> values = {0.0f, 0.5f, 1.0f, 0.0f};
    const std::vector<GateMap> maps = {make_map("net/one/conv", 2, 2, values)};
    const std::vector<std::string> caption = {"two.png"};
    const SheetLayout layout = lay_out_sheet(input, maps, 1);
    const Image sheet = draw_mask_sheet(input, maps, caption);
    CHECK(sheet.width == layout.width);
    CHECK(sheet.height == layout.height);
    const auto at = [&](const Box& box, int column, int row, int corner) {
        const int x = box.left + column * box.width / 2 + corner * (box.width / 2 - 1);
        const int y = box.top + row * box.height / 2 + corner * (box.height / 2 - 1);
        return pixel(sheet, x, y);
    };
    for (const int corner : {0, 1}) {
        CHECK(at(layout.input, 0, 0, corner) == Colour{10, 20, 30});
        CHECK(at(layout.input, 1, 1, corner) == Colour{100, 110, 120});
        CHECK(at(layout.maps[0], 0, 0, corner) == skipped_colour);
        CHECK(at(layout.maps[0], 1, 0, corner) == heat_colour(0.5));
        CHECK(at(layout.maps[0], 0, 1, corner) == heat_colour(1.0));
        CHECK(at(layout.maps[0], 1, 1, corner) == skipped_colour);
    }
}

TEST_CASE("layers are named without what they share") {
    const auto names = [](const std::vector<std::string>& layers) {
        std::vector<GateMap> maps;
        for (const std::string& layer : layers) {
            maps.push_back(make_map(layer, 1, 1, {}));
        }
        return distinct_names(maps);
    };
    using Names = std::vector<std::string>;
    CHECK(names({"/net/a.0/conv1/conv/Conv", "/net/a.1/conv2/conv/Conv"}) ==
          Names{"a.0/conv1", "a.1/conv2"});
    CHECK(names({"/net/conv/Conv"}) == Names{"/net/conv/Conv"});
    CHECK(names({"a", "b"}) == Names{"a", "b"});
    CHECK(names({"x/same", "x/same"}) == Names{"same", "same"});
    CHECK(names({"x/conv", "x/y/conv"}) == Names{"conv", "y/conv"});
    CHECK(names({}).empty());
}

TEST_CASE("every glyph has 7 rows of 5 dots, and no two are alike") {
    const std::string drawable =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.,:%-+=/_()[]'? ";
    for (const char a : drawable) {
        const Glyph& glyph = find_glyph(a);
        CAPTURE(a);
        CHECK(glyph.character == a);
        REQUIRE(glyph.dots.size() == 41);
        for (std::size_t i = 0; i < 41; ++i) {
            const bool between = i % 6 == 5;
            CHECK((between ? glyph.dots[i] == ' ' : glyph.dots[i] == '#' || glyph.dots[i] == '.'));
        }
        for (const char b : drawable) {
            const Glyph& other = find_glyph(b);
            CHECK((a == b || glyph.dots != other.dots || glyph.drop != other.drop));
        }
    }
    CHECK(find_glyph('~').character == '?');
}

TEST_CASE("text is drawn dot by dot and shortened from the left") {
    CHECK(text_width("ab", 2) == 22);
    CHECK(shorten("abcdef", 1, 35) == "abcdef");
    CHECK(shorten("abcdef", 1, 34) == "..def");
    CHECK(shorten("\xe2\x82\xac", 1, 100) == "?");

    Canvas canvas(12, 14, {0, 0, 0});
    canvas.write("L", 0, 0, 2, {255, 255, 255});
    // An L: a column of 7 dots and a base of 5, 2 pixels a dot.
    int ink = 0;
    for (int y = 0; y < 14; ++y) {
        for (int x = 0; x < 12; ++x) {
            const bool expected = x < 2 || (y >= 12 && x < 10);
            ink += expected;
            CHECK((pixel(canvas.image(), x, y) == Colour{255, 255, 255}) == expected);
        }
    }
    CHECK(ink == 4 * (7 + 4));
    canvas.write("wide text", -20, 10, 3, {1, 2, 3});
    canvas.fill(-5, -5, 100, 100, {4, 5, 6});
    CHECK(pixel(canvas.image(), 11, 13) == Colour{4, 5, 6});
}
