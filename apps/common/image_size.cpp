#include "common/image_size.h"

#include <algorithm>
#include <charconv>

#include "image/image.h"

namespace sluice::apps {
namespace {

bool is_image(const TensorInfo& input) { return input.shape.size() == 4; }

ImageSize size_of(const TensorInfo& input) { return {input.shape[2].size, input.shape[3].size}; }

/// The whole of [at, end) as a side.
bool parse_side(const char* at, const char* end, std::int64_t& side) {
    const auto [next, fault] = std::from_chars(at, end, side);
    return fault == std::errc() && next == end && side >= 1 && side <= image::max_side;
}

}  // namespace

void add_size_option(CLI::App& app, std::optional<std::string>& text) {
    app.add_option("--size", text,
                   "Height and width of the inputs whose file leaves them symbolic, as 224x224")
        ->option_text("HxW");
}

Status read_size(const std::optional<std::string>& text, std::optional<ImageSize>& size) {
    if (!text) {
        return {};
    }
    ImageSize sides;
    const std::size_t between = std::min(text->find('x'), text->size());
    const char* const begin = text->data();
    const char* const end = begin + text->size();
    if (between == text->size() || !parse_side(begin, begin + between, sides.height) ||
        !parse_side(begin + between + 1, end, sides.width)) {
        return Status::error("--size: '" + *text + "' is no height and width of 1 to " +
                                 std::to_string(image::max_side),
                             "write them as 224x224");
    }
    size = sides;
    return {};
}

Status check_size(const std::vector<TensorInfo>& inputs, const std::optional<ImageSize>& size) {
    if (!size) {
        return {};
    }
    std::string found;
    for (const TensorInfo& input : inputs) {
        if (!is_image(input)) {
            continue;
        }
        const ImageSize fixed = size_of(input);
        if (fixed.height == size->height && fixed.width == size->width) {
            return {};
        }
        found += (found.empty() ? "" : ", ") + to_text(fixed);
    }
    return Status::error((found.empty() ? "takes no images" : "takes images of " + found) +
                             ", and --size asks for " + to_text(*size),
                         "leave --size out, or export with symbolic height and width");
}

std::string to_text(const ImageSize& size) {
    return std::to_string(size.height) + "x" + std::to_string(size.width);
}

}  // namespace sluice::apps
