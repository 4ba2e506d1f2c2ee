#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "picture/picture.h"

using sluice::picture::Picture;
namespace picture = sluice::picture;

namespace {

struct Case {
    std::string kind;
    std::string path;
    Picture expected;
};

std::vector<Case> read_cases() {
    std::ifstream file(std::string(SLUICE_PICTURE_CASES) + "/cases.txt");
    std::vector<Case> cases;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        Case entry;
        words >> entry.kind >> entry.path >> entry.expected.width >> entry.expected.height;
        for (int byte = 0; words >> byte;) {
            entry.expected.rgb.push_back(static_cast<std::uint8_t>(byte));
        }
        cases.push_back(std::move(entry));
    }
    return cases;
}

int largest_difference(const Picture& a, const Picture& b) {
    REQUIRE(a.rgb.size() == b.rgb.size());
    int largest = 0;
    for (std::size_t i = 0; i < a.rgb.size(); ++i) {
        largest = std::max(largest, std::abs(int{a.rgb[i]} - int{b.rgb[i]}));
    }
    return largest;
}

Picture decode_text(std::string_view text) {
    auto result =
        picture::decode({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    INFO(result.status().message());
    REQUIRE(result.ok());
    return std::move(result).value();
}

}  // namespace

TEST_CASE("pictures decode and resize to Pillow's pixels") {
    int decoded = 0;
    int resized = 0;
    for (const Case& entry : read_cases()) {
        CAPTURE(entry.kind, entry.path, entry.expected.width, entry.expected.height);
        const auto source = picture::read(entry.path);
        INFO(source.status().message());
        REQUIRE(source.ok());
        const bool resizes = entry.kind == "resize";
        const Picture actual =
            resizes ? picture::resize(source.value(), entry.expected.width, entry.expected.height)
                    : source.value();
        REQUIRE(actual.width == entry.expected.width);
        REQUIRE(actual.height == entry.expected.height);
        // PNG is exact; a JPEG's inverse transform and a filter's rounding may differ by a level.
        const bool exact = !resizes && entry.path.ends_with(".png");
        CHECK(largest_difference(actual, entry.expected) <= (exact ? 0 : 1));
        ++(resizes ? resized : decoded);
    }
    CHECK(decoded == 12);
    CHECK(resized == 18);
}

TEST_CASE("PPM text, binary and 16-bit samples decode") {
    const std::vector<std::uint8_t> expected = {255, 0, 0, 0, 128, 255};
    const Picture text = decode_text("P3 # a comment\n2 1\n255\n255 0 0\n0 128 255\n");
    CHECK(text.width == 2);
    CHECK(text.height == 1);
    CHECK(text.rgb == expected);
    CHECK(decode_text(std::string_view("P6\n2 1\n255\n\xff\0\0\0\x80\xff", 17)).rgb == expected);
    CHECK(decode_text(std::string_view("P6 1 1 65535 \xff\xff\x80\x80\0\0", 19)).rgb ==
          std::vector<std::uint8_t>{255, 128, 0});
    CHECK(decode_text("P3 1 1 3 0 1 3").rgb == std::vector<std::uint8_t>{0, 85, 255});
}

TEST_CASE("the middle is cropped") {
    const Picture source{3, 3, {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13,
                                14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26}};
    CHECK(picture::centre_crop(source, 1, 1).rgb == std::vector<std::uint8_t>{12, 13, 14});
    CHECK(picture::centre_crop(source, 3, 3).rgb == source.rgb);
}

TEST_CASE("a PNG is written whole or not at all") {
    const auto folder = std::filesystem::temp_directory_path() / "sluice_test_picture";
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    const Picture source{2, 1, {1, 2, 3, 250, 251, 252}};
    REQUIRE(picture::write_png(folder / "a.png", source).ok());
    const auto back = picture::read(folder / "a.png");
    REQUIRE(back.ok());
    CHECK(back.value().rgb == source.rgb);

    // A folder in the picture's place makes the rename fail, for root as well.
    std::filesystem::create_directories(folder / "b.png" / "full");
    const auto status = picture::write_png(folder / "b.png", source);
    REQUIRE_FALSE(status.ok());
    CHECK(status.problem().file == (folder / "b.png").string());
    CHECK_FALSE(picture::write_png(folder / "none" / "c.png", source).ok());
    int entries = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) {
        ++entries;
    }
    CHECK(entries == 2);
    std::filesystem::remove_all(folder);
}
