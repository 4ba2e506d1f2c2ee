#include <sys/resource.h>

#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include <catch2/catch.hpp>

#include "image/image.h"

namespace image = sluice::image;
using Bytes = std::vector<std::uint8_t>;

namespace {

Bytes read_bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    Bytes bytes{std::istreambuf_iterator<char>(file), {}};
    REQUIRE_FALSE(bytes.empty());
    return bytes;
}

Bytes text(const std::string& words) { return {words.begin(), words.end()}; }

Bytes ppm() {
    Bytes bytes = text("P6 4 4 255\n");
    bytes.insert(bytes.end(), 48, 7);
    return bytes;
}

// The most that this process ever had.
long resident_megabytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
}

// A message is one line that says what is wrong and what to do.
void check_refused(const Bytes& bytes) {
    // A copy of the exact size lets the address sanitizer see a read past its end.
    const auto result = image::decode(Bytes(bytes));
    REQUIRE_FALSE(result.ok());
    CHECK_FALSE(result.status().problem().what.empty());
    CHECK_FALSE(result.status().problem().remedy.empty());
    CHECK(result.status().message().find('\n') == std::string::npos);
}

}  // namespace

TEST_CASE("truncated images are refused at every length") {
    const std::string cases = SLUICE_IMAGE_CASES;
    // A PNG's pixels are complete before its end chunk of 12 bytes, a JPEG's before its marker
    // of 2.
    struct Kind {
        Bytes bytes;
        std::size_t trailer;
    };
    const Kind kinds[] = {
        {read_bytes(cases + "/cat_0000.jpg"), 2},   {read_bytes(cases + "/progressive.jpg"), 2},
        {read_bytes(cases + "/rgb.png"), 12},       {read_bytes(cases + "/palette.png"), 12},
        {read_bytes(cases + "/lossy.webp"), 0},     {read_bytes(cases + "/lossless_alpha.webp"), 0},
        {read_bytes(cases + "/animation.webp"), 0}, {ppm(), 0}};
    for (const Kind& kind : kinds) {
        REQUIRE(image::decode(kind.bytes).ok());
        for (std::size_t size = 0; size + kind.trailer < kind.bytes.size(); ++size) {
            CAPTURE(size, kind.bytes.size());
            check_refused(
                Bytes(kind.bytes.begin(), kind.bytes.begin() + static_cast<std::ptrdiff_t>(size)));
        }
    }
}

TEST_CASE("random bytes are refused, behind every format's first bytes too") {
    std::mt19937 random(20);
    const Bytes starts[] = {{},
                            {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'},
                            {0xff, 0xd8, 0xff},
                            {'R', 'I', 'F', 'F', 40, 0, 0, 0, 'W', 'E', 'B', 'P'},
                            {'P', '3'},
                            {'P', '6'}};
    for (const Bytes& start : starts) {
        for (int trial = 0; trial < 200; ++trial) {
            Bytes bytes = start;
            for (unsigned left = random() % 300; left > 0; --left) {
                bytes.push_back(static_cast<std::uint8_t>(random()));
            }
            check_refused(bytes);
        }
    }
}

TEST_CASE("damaged bytes never crash a decoder") {
    std::mt19937 random(21);
    const std::string cases = SLUICE_IMAGE_CASES;
    const Bytes sources[] = {read_bytes(cases + "/cat_0000.jpg"),
                             read_bytes(cases + "/progressive.jpg"),
                             read_bytes(cases + "/turn6.jpg"),
                             read_bytes(cases + "/cmyk.jpg"),
                             read_bytes(cases + "/palette.png"),
                             read_bytes(cases + "/turn6.png"),
                             read_bytes(cases + "/raw_profile1.png"),
                             read_bytes(cases + "/lossy_alpha.webp"),
                             read_bytes(cases + "/turn6.webp"),
                             read_bytes(cases + "/animation.webp"),
                             ppm()};
    for (const Bytes& source : sources) {
        for (int trial = 0; trial < 500; ++trial) {
            Bytes bytes = source;
            for (int flips = 0; flips < 3; ++flips) {
                bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
            }
            // A flipped sample is still an image: its pixels must then fill its size.
            if (const auto result = image::decode(bytes); result.ok()) {
                const auto& value = result.value();
                REQUIRE(value.rgb.size() ==
                        static_cast<std::size_t>(value.width) * value.height * 3);
            }
        }
    }
}

TEST_CASE("images that are none of ours are refused") {
    for (const char* words : {"P6 0 4 255\n", "P6 4 4 0\n", "P6 4 4 70000\n", "P6 99999 1 255\n",
                              "P6 99999999999999999999 1 255\n", "P3 1 1 255 1 2",
                              "P3 1 1 255 1 2 256", "P3 -1 1 255", "GIF89a", "RIFF1234AVI "}) {
        CAPTURE(words);
        check_refused(text(words));
    }
}

TEST_CASE("images over a limit are refused by its name, before they take memory or time") {
    std::ifstream lines(std::string(SLUICE_IMAGE_CASES) + "/cases.txt");
    int refused = 0;
    const long before = resident_megabytes();
    for (std::string kind, path, limit; lines >> kind >> path && std::getline(lines, limit);) {
        if (kind == "refuse") {
            CAPTURE(path);
            const Bytes bytes = read_bytes(path);
            check_refused(bytes);
            CHECK(image::decode(bytes).status().message().find(limit) != std::string::npos);
            ++refused;
        }
    }
    CHECK(refused == 10);
    CHECK(resident_megabytes() - before < 64);
}

TEST_CASE("a file that is missing or a folder is named") {
    for (const char* path : {"/nowhere/a.png", "/"}) {
        const auto result = image::read(path);
        REQUIRE_FALSE(result.ok());
        CHECK(result.status().problem().file == path);
    }
}
