#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "image/formats.h"
#include "image/image.h"
#include "image/preprocess.h"

using sluice::image::Image;
namespace image = sluice::image;

namespace {

// A line of cases.txt, see make_images.py, with the pixels that Pillow computed.
struct Case {
    std::string path;
    Image expected;
    int extra = 0;
};

std::vector<Case> read_cases(const std::string& wanted) {
    std::ifstream lines(std::string(SLUICE_IMAGE_CASES) + "/cases.txt");
    std::ifstream pixels(std::string(SLUICE_IMAGE_CASES) + "/pixels.bin", std::ios::binary);
    std::vector<Case> cases;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string kind;
        Case entry;
        words >> kind >> entry.path >> entry.expected.width >> entry.expected.height >> entry.extra;
        if (kind == "refuse") {
            continue;
        }
        REQUIRE(words);
        entry.expected.rgb.resize(static_cast<std::size_t>(entry.expected.width) *
                                  static_cast<std::size_t>(entry.expected.height) * 3);
        REQUIRE(pixels.read(reinterpret_cast<char*>(entry.expected.rgb.data()),
                            static_cast<std::streamsize>(entry.expected.rgb.size())));
        if (kind == wanted) {
            cases.push_back(std::move(entry));
        }
    }
    return cases;
}

Image read(const Case& entry) {
    auto source = image::read(entry.path);
    INFO(source.status().message());
    REQUIRE(source.ok());
    return std::move(source).value();
}

int largest_difference(const Image& a, const Image& b) {
    REQUIRE(a.width == b.width);
    REQUIRE(a.height == b.height);
    REQUIRE(a.rgb.size() == b.rgb.size());
    int largest = 0;
    for (std::size_t i = 0; i < a.rgb.size(); ++i) {
        largest = std::max(largest, std::abs(int{a.rgb[i]} - int{b.rgb[i]}));
    }
    return largest;
}

Image decode_text(std::string_view text) {
    auto result = image::decode({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    INFO(result.status().message());
    REQUIRE(result.ok());
    return std::move(result).value();
}

}  // namespace

TEST_CASE("images decode to Pillow's pixels, upright") {
    const std::vector<Case> cases = read_cases("decode");
    CHECK(cases.size() > 100);
    for (const Case& entry : cases) {
        CAPTURE(entry.path);
        // A JPEG's inverse transform may differ by a level; all else is exact.
        CHECK(largest_difference(read(entry), entry.expected) <= entry.extra);
    }
}

TEST_CASE("images are resized to Pillow's pixels") {
    const std::vector<Case> cases = read_cases("resize");
    CHECK(cases.size() == 36);
    for (const Case& entry : cases) {
        CAPTURE(entry.path, entry.expected.width, entry.expected.height);
        const Image resized =
            image::resize(read(entry), entry.expected.width, entry.expected.height);
        CHECK(largest_difference(resized, entry.expected) <= entry.extra);
    }
    const std::vector<Case> bicubic = read_cases("resize_bicubic");
    CHECK(bicubic.size() == 36);
    for (const Case& entry : bicubic) {
        CAPTURE(entry.path, entry.expected.width, entry.expected.height);
        const Image resized = image::resize(read(entry), entry.expected.width,
                                            entry.expected.height, image::Interpolation::bicubic);
        CHECK(largest_difference(resized, entry.expected) == 0);
    }
}

TEST_CASE("images of random sizes are resized, cropped and padded as by torchvision") {
    const std::vector<Case> cases = read_cases("fit");
    CHECK(cases.size() > 200);
    for (const Case& entry : cases) {
        CAPTURE(entry.path, entry.extra, entry.expected.width, entry.expected.height);
        image::Preprocessing preprocessing;
        preprocessing.shorter_side = entry.extra;
        const auto fitted =
            image::fit(read(entry), preprocessing, entry.expected.width, entry.expected.height);
        INFO(fitted.status().message());
        REQUIRE(fitted.ok());
        CHECK(largest_difference(fitted.value(), entry.expected) <= 1);
    }
}

TEST_CASE("a bicubic fit is Pillow's to the bit") {
    const std::vector<Case> cases = read_cases("fit_bicubic");
    CHECK(cases.size() > 200);
    for (const Case& entry : cases) {
        CAPTURE(entry.path, entry.extra, entry.expected.width, entry.expected.height);
        image::Preprocessing preprocessing;
        preprocessing.shorter_side = entry.extra;
        preprocessing.interpolation = image::Interpolation::bicubic;
        const auto fitted =
            image::fit(read(entry), preprocessing, entry.expected.width, entry.expected.height);
        INFO(fitted.status().message());
        REQUIRE(fitted.ok());
        CHECK(largest_difference(fitted.value(), entry.expected) == 0);
    }
}

TEST_CASE("files are images by their extension, in either case") {
    for (const char* name :
         {"a.jpg", "a.JPEG", "b/a.jpe", "a.jfif", "a.png", "a.WebP", "a.b.ppm"}) {
        CAPTURE(name);
        CHECK(image::has_image_extension(name));
    }
    for (const char* name : {"a", "", "jpg", ".png", "a.jpg.txt", "a.gif", "a.jpgg", "png/a"}) {
        CAPTURE(name);
        CHECK_FALSE(image::has_image_extension(name));
    }
    CHECK(image::image_extensions() == ".jpg, .jpeg, .jpe, .jfif, .png, .webp or .ppm");
}

TEST_CASE("PPM text, binary and 16-bit samples decode") {
    const std::vector<std::uint8_t> expected = {255, 0, 0, 0, 128, 255};
    const Image text = decode_text("P3 # a comment\n2 1\n255\n255 0 0\n0 128 255\n");
    CHECK(text.width == 2);
    CHECK(text.height == 1);
    CHECK(text.rgb == expected);
    CHECK(decode_text(std::string_view("P6\n2 1\n255\n\xff\0\0\0\x80\xff", 17)).rgb == expected);
    CHECK(decode_text(std::string_view("P6 1 1 65535 \xff\xff\x80\x80\0\0", 19)).rgb ==
          std::vector<std::uint8_t>{255, 128, 0});
    CHECK(decode_text("P3 1 1 3 0 1 3").rgb == std::vector<std::uint8_t>{0, 85, 255});
}

TEST_CASE("a PNG is written whole or not at all") {
    const auto folder = std::filesystem::temp_directory_path() / "sluice_test_image";
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    const Image source{2, 1, {1, 2, 3, 250, 251, 252}};
    REQUIRE(image::write_png(folder / "a.png", source).ok());
    const auto back = image::read(folder / "a.png");
    REQUIRE(back.ok());
    CHECK(back.value().rgb == source.rgb);

    // A folder in the image's place makes the rename fail, for root as well.
    std::filesystem::create_directories(folder / "b.png" / "full");
    const auto status = image::write_png(folder / "b.png", source);
    REQUIRE_FALSE(status.ok());
    CHECK(status.problem().file == (folder / "b.png").string());
    CHECK_FALSE(image::write_png(folder / "none" / "c.png", source).ok());
    int entries = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) {
        ++entries;
    }
    CHECK(entries == 2);
    std::filesystem::remove_all(folder);
}
