// A harness of libFuzzer: the bytes of an image file. It is decoded and, where it is one, made
// ready for a network in every way.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "image/image.h"
#include "image/preprocess.h"

namespace {

using namespace sluice;
using namespace sluice::image;

// Resizing a larger one under sanitizers takes seconds and shows nothing new.
constexpr std::size_t most_pixels = 1 << 18;
constexpr int side = 17;

void fail(const std::string& what) {
    std::fprintf(stderr, "fuzz_image: %s\n", what.c_str());
    std::abort();
}

void check_message(const Status& status) {
    if (status.message().find('\n') != std::string::npos || status.problem().remedy.empty()) {
        fail("a refusal is one line that names a remedy: " + status.message());
    }
}

void check_size(const Image& image, int width, int height) {
    if (image.width != width || image.height != height ||
        image.rgb.size() != std::size_t(width) * std::size_t(height) * 3) {
        fail("the image has another size than it should have");
    }
}

void prepare(const Image& image, std::optional<int> shorter_side) {
    Preprocessing preprocessing;
    preprocessing.shorter_side = shorter_side;
    const Result<Image> fitted = fit(image, preprocessing, side, side);
    if (!fitted.ok()) {
        check_message(fitted.status());
        return;
    }
    check_size(fitted.value(), side, side);
    std::vector<float> values(std::size_t(3 * side * side));
    to_nchw(fitted.value(), preprocessing, values);
    for (const float value : values) {
        if (!(value >= 0.0f && value <= 1.0f)) {
            fail("a sample lies outside 0 to 1");
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Result<Image> image = decode({data, size});
    if (!image.ok()) {
        check_message(image.status());
        return 0;
    }
    check_size(image.value(), image->width, image->height);
    if (image->rgb.size() / 3 <= most_pixels) {
        prepare(image.value(), std::nullopt);
        prepare(image.value(), side);
        prepare(image.value(), 2 * side + 3);
    }
    return 0;
}
