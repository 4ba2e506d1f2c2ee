#include "run/image_input.h"

#include <algorithm>
#include <system_error>

#include "run/bind.h"

namespace sluice::run {
namespace {

bool takes_image(const TensorInfo& input) {
    const auto fits = [](const Dimension& side) {
        return side.size >= 1 && side.size <= image::max_side;
    };
    return input.shape.size() == 4 && input.shape[0].size <= 1 && input.shape[1].size == 3 &&
           fits(input.shape[2]) && fits(input.shape[3]) && input.type != DataType::int8;
}

/// What follows the first '=' that makes it a file, since names of inputs may hold '='.
std::filesystem::path file_of(const std::string& word) {
    std::error_code code;
    std::string rest = word;
    while (!std::filesystem::exists(rest, code) && rest.find('=') != rest.npos) {
        rest = rest.substr(rest.find('=') + 1);
    }
    return rest;
}

std::optional<ImageSize> size_of_file(const std::filesystem::path& path) {
    const Result<std::vector<std::int64_t>> shape = npy::read_shape(path);
    return shape.ok() && shape.value().size() == 4
               ? std::optional(ImageSize{shape.value()[2], shape.value()[3]})
               : std::nullopt;
}

}  // namespace

Result<npy::Array> read_image(const std::filesystem::path& path, const TensorInfo& input,
                              const image::Preprocessing& preprocessing) {
    if (!takes_image(input)) {
        return Status(Problem{path.string(),
                              {},
                              "is an image, and the input " + describe(input) + " takes none",
                              "give a .npy file of that shape"});
    }
    const Result<image::Image> source = image::read(path);
    if (!source.ok()) {
        return source.status();
    }
    const auto height = static_cast<int>(input.shape[2].size);
    const auto width = static_cast<int>(input.shape[3].size);
    const Result<image::Image> fitted = image::fit(source.value(), preprocessing, width, height);
    if (!fitted.ok()) {
        return Status(fitted.status()).in_file(path.string());
    }
    npy::Array array{{1, 3, height, width}, std::vector<float>(fitted.value().rgb.size()), {}};
    if (input.type == DataType::float32) {
        image::to_nchw(fitted.value(), preprocessing, array.values);
    } else {
        std::vector<std::uint8_t> samples(array.values.size());
        image::to_nchw(fitted.value(), samples);
        std::copy(samples.begin(), samples.end(), array.values.begin());
    }
    return array;
}

std::optional<ImageSize> size_of_first_tensor(const std::vector<std::string>& words) {
    for (const std::string& word : words) {
        if (const std::optional<ImageSize> size = size_of_file(file_of(word))) {
            return size;
        }
    }
    return std::nullopt;
}

}  // namespace sluice::run
