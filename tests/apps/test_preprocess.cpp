#include <catch2/catch.hpp>

#include "image/preprocess.h"

namespace image = sluice::image;

TEST_CASE("preprocessing comes from the metadata") {
    const auto defaults = image::read_preprocessing({});
    REQUIRE(defaults.ok());
    CHECK(defaults.value().mean == std::array{0.0f, 0.0f, 0.0f});
    CHECK(defaults.value().deviation == std::array{1.0f, 1.0f, 1.0f});
    CHECK_FALSE(defaults.value().shorter_side);
    CHECK(defaults.value().interpolation == image::Interpolation::bilinear);

    const auto given = image::read_preprocessing({{"sluice.mean", "[0.5, 0.25, 0]"},
                                                  {"sluice.std", "[0.25, 1, 2]"},
                                                  {"sluice.resize_shorter_side", "256"},
                                                  {"sluice.interpolation", "\"bicubic\""}});
    REQUIRE(given.ok());
    CHECK(given.value().mean == std::array{0.5f, 0.25f, 0.0f});
    CHECK(given.value().deviation == std::array{0.25f, 1.0f, 2.0f});
    CHECK(given.value().shorter_side == 256);
    CHECK(given.value().interpolation == image::Interpolation::bicubic);
}

TEST_CASE("metadata of the wrong form is refused by its key") {
    const std::pair<const char*, const char*> wrong[] = {
        {"sluice.mean", ""},
        {"sluice.mean", "[1, 2]"},
        {"sluice.mean", "[1, 2, \"3\"]"},
        {"sluice.mean", "[1, 2, 1e300]"},
        {"sluice.std", "[1, 0, 1]"},
        {"sluice.std", "[1, -1, 1]"},
        {"sluice.resize_shorter_side", "0"},
        {"sluice.resize_shorter_side", "1.5"},
        {"sluice.resize_shorter_side", "\"256\""},
        {"sluice.resize_shorter_side", "99999999999999"},
        {"sluice.interpolation", "bicubic"},
        {"sluice.interpolation", "\"nearest\""}};
    for (const auto& [key, value] : wrong) {
        CAPTURE(key, value);
        const auto result = image::read_preprocessing({{key, value}});
        REQUIRE_FALSE(result.ok());
        CHECK(result.status().message().find(key) != std::string::npos);
    }
    CHECK_FALSE(image::read_labels({{"sluice.labels", "[1]"}}).ok());
    const auto labels = image::read_labels({{"sluice.labels", R"(["cat", "dog"])"}});
    REQUIRE(labels.ok());
    CHECK(labels.value() == std::vector<std::string>{"cat", "dog"});
    CHECK(image::read_labels({}).value().empty());
}

TEST_CASE("pixels become planes of normalised floats") {
    const image::Image source{2, 1, {255, 0, 51, 0, 255, 102}};
    const image::Preprocessing preprocessing{{0.5f, 0.0f, 0.2f}, {0.5f, 1.0f, 0.1f}, {}};
    std::vector<float> nchw(6);
    image::to_nchw(source, preprocessing, nchw);
    const float expected[] = {1.0f, -1.0f, 0.0f, 1.0f, 0.0f, 2.0f};
    for (std::size_t i = 0; i < 6; ++i) {
        CHECK(nchw[i] == Approx(expected[i]).margin(1e-6));
    }
}

TEST_CASE("an image is fitted to the input") {
    // Columns of a constant colour each: 8 wide, so the middle 4 are columns 2 to 5.
    image::Image source{8, 4, {}};
    for (int i = 0; i < 32; ++i) {
        source.rgb.insert(source.rgb.end(), 3, static_cast<std::uint8_t>(i % 8 * 10));
    }
    image::Preprocessing preprocessing;
    CHECK(image::fit(source, preprocessing, 8, 4).value().rgb == source.rgb);
    preprocessing.shorter_side = 4;
    const auto cropped = image::fit(source, preprocessing, 4, 4);
    REQUIRE(cropped.ok());
    for (std::size_t x = 0; x < 4; ++x) {
        CHECK(cropped.value().rgb[3 * x] == 20 + 10 * x);
    }
}

TEST_CASE("an image that takes too many pixels to resize is refused") {
    const auto line = [](int width, int height) {
        return image::Image{width, height,
                            std::vector<std::uint8_t>(static_cast<std::size_t>(width) *
                                                      static_cast<std::size_t>(height) * 3)};
    };
    image::Preprocessing preprocessing;
    // Resized by columns first: 4096 x 30000 on the way to 4096 x 8.
    const auto between = image::fit(line(1, 30000), preprocessing, 4096, 8);
    REQUIRE_FALSE(between.ok());
    CHECK(between.status().message().find("64 Mi pixels") != std::string::npos);
    preprocessing.shorter_side = 256;
    for (const auto& [width, height] : {std::pair(1, 30000), std::pair(30000, 1)}) {
        CAPTURE(width, height);
        CHECK_FALSE(image::fit(line(width, height), preprocessing, 8, 8).ok());
    }
    // 32768^2 * 32768 is over what 32 bits hold.
    preprocessing.shorter_side = 32768;
    CHECK_FALSE(image::fit(line(1, 32768), preprocessing, 8, 8).ok());
}
