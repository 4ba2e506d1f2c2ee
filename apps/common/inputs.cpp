#include "common/inputs.h"

#include <algorithm>
#include <random>
#include <span>
#include <utility>

#include "common/gather.h"
#include "image/preprocess.h"

namespace sluice::apps {
namespace {

/// Little beside what engines take themselves, since it lies in the memory of each.
constexpr std::int64_t most_bytes = std::int64_t{4} << 20;
constexpr std::int64_t most_images = 64;
constexpr unsigned image_seed = 1;

Result<std::vector<std::int64_t>> shape_of_one(const Model& model) {
    std::vector<std::int64_t> shape;
    if (model.inputs().size() == 1 && model.outputs().size() == 1) {
        for (const Dimension& extent : model.inputs()[0].shape) {
            shape.push_back(extent.size);
        }
    }
    if (shape.size() < 2 || std::any_of(shape.begin() + 1, shape.end(),
                                        [](std::int64_t extent) { return extent < 1; })) {
        return Status::error("has not one input of a known size and one output",
                             "export it with one input [N, ...] and one output [N, ...]");
    }
    for (const TensorInfo& tensor : {model.inputs()[0], model.outputs()[0]}) {
        if (tensor.type != DataType::float32) {
            return Status::error("has '" + tensor.name + "' of " + to_string(tensor.type) +
                                     ", and floats are what is timed",
                                 "keep its first QuantizeLinear and last DequantizeLinear");
        }
    }
    return std::vector<std::int64_t>(shape.begin() + 1, shape.end());
}

void draw_normal(Inputs& inputs) {
    inputs.source = "random normal";
    std::mt19937 random(image_seed);
    std::normal_distribution<float> distribution;
    std::generate(inputs.values.begin(), inputs.values.end(), [&] { return distribution(random); });
}

Status read_images(Inputs& inputs, const image::Preprocessing& preprocessing,
                   const std::filesystem::path& folder) {
    inputs.source = "images";
    const std::string name = folder.string();
    const Gathered gathered = gather(std::span(&name, 1));
    if (!gathered.failures.empty()) {
        return gathered.failures[0];
    }
    const auto height = static_cast<int>(inputs.shape[1]),
               width = static_cast<int>(inputs.shape[2]);
    const std::size_t plane = inputs.values.size() / static_cast<std::size_t>(inputs.images);
    const std::size_t found = gathered.images.size();
    for (std::size_t i = 0; i < static_cast<std::size_t>(inputs.images); ++i) {
        // Where there are more than are wanted, from all classes of a sorted folder.
        const std::size_t at = found > static_cast<std::size_t>(inputs.images)
                                   ? i * found / static_cast<std::size_t>(inputs.images)
                                   : i % found;
        const std::filesystem::path& path = gathered.images[at];
        const Result<image::Image> source = image::read(path);
        if (!source.ok()) {
            return source.status();
        }
        const Result<image::Image> fitted =
            image::fit(source.value(), preprocessing, width, height);
        if (!fitted.ok()) {
            return Status(fitted.status()).in_file(path.string());
        }
        image::to_nchw(fitted.value(), preprocessing,
                       std::span(inputs.values).subspan(i * plane, plane));
    }
    return {};
}

}  // namespace

Result<Inputs> make_inputs(const Model& model, const std::optional<std::filesystem::path>& folder,
                           int batch) {
    Result<std::vector<std::int64_t>> shape = shape_of_one(model);
    if (!shape.ok()) {
        return shape.status();
    }
    const std::int64_t fixed = model.inputs()[0].shape[0].size;
    if (fixed >= 0 && fixed != batch) {
        return Status::error(
            "takes only batches of " + std::to_string(fixed),
            "give --batch " + std::to_string(fixed) + ", or export it with a symbolic batch");
    }
    Inputs inputs;
    inputs.shape = std::move(shape).value();
    std::int64_t elements = 1;
    for (const std::int64_t extent : inputs.shape) {
        elements *= extent;
    }
    const std::int64_t fit = std::min(most_images, most_bytes / 4 / elements);
    inputs.images = std::max<std::int64_t>(1, fit / batch) * batch;
    inputs.values.resize(static_cast<std::size_t>(elements * inputs.images));
    if (!folder || !model.metadata().contains("sluice.mean") || inputs.shape.size() != 3 ||
        inputs.shape[0] != 3) {
        draw_normal(inputs);
        return inputs;
    }
    const Result<image::Preprocessing> preprocessing = image::read_preprocessing(model.metadata());
    if (!preprocessing.ok()) {
        return preprocessing.status();
    }
    SLUICE_RETURN_IF_ERROR(read_images(inputs, preprocessing.value(), *folder));
    return inputs;
}

}  // namespace sluice::apps
