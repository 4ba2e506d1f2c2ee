#include "classify/network.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "classify/labels.h"
#include "classify/requirements.h"
#include "common/image_size.h"

namespace sluice::classify {
namespace {

std::vector<std::int64_t> shape_of_one(const TensorInfo& tensor) {
    std::vector<std::int64_t> shape;
    for (const Dimension& extent : tensor.shape) {
        shape.push_back(extent.size);
    }
    shape[0] = 1;
    return shape;
}

}  // namespace

Network::Network(Model model, const Options& options)
    : model_(std::move(model)),
      file_(options.model.string()),
      sigmoid_(options.sigmoid),
      output_shape_(shape_of_one(model_.outputs()[0])) {
    const std::vector<std::int64_t> shape = shape_of_one(model_.inputs()[0]);
    std::copy(shape.begin(), shape.end(), input_shape_.begin());
}

Result<Network> Network::load(const Options& options) {
    const std::string file = options.model.string();
    Result<Model> model = Model::load(
        options.model, {.target = options.target, .int8 = options.int8, .size = options.size});
    if (!model.ok()) {
        return model.status();
    }
    SLUICE_RETURN_IF_ERROR(check_classifier(model.value()).in_file(file));
    SLUICE_RETURN_IF_ERROR(apps::check_size(model->inputs(), options.size).in_file(file));
    if (options.masks && model->gates().empty()) {
        return Status(Problem{file,
                              {},
                              "has no gated layer, so there is no mask to draw",
                              "leave --masks out, or name a network with LCCLs"});
    }
    Network network(std::move(model).value(), options);
    if (options.sigmoid && !network.has_single_score()) {
        return Status(Problem{file,
                              {},
                              "gives " + std::to_string(network.score_count()) +
                                  " scores, and --sigmoid is for a single one",
                              "leave --sigmoid out"});
    }
    SLUICE_RETURN_IF_ERROR(network.read_labels(options));
    SLUICE_RETURN_IF_ERROR(network.read_preprocessing(options));
    return network;
}

Status Network::name_classes(std::vector<std::string> names, const std::filesystem::path& source) {
    SLUICE_RETURN_IF_ERROR(check_label_count(names, score_count(), source));
    labels_ = std::move(names);
    return {};
}

std::int64_t Network::class_count() const {
    if (!has_single_score()) {
        return score_count();
    }
    return !sigmoid_ ? 0 : labels_.size() == 2 ? 2 : 1;
}

Status Network::read_labels(const Options& options) {
    Result<std::vector<std::string>> labels =
        options.labels ? read_label_file(*options.labels) : image::read_labels(model_.metadata());
    if (!labels.ok()) {
        return Status(labels.status()).in_file(file_);
    }
    return name_classes(std::move(labels).value(), options.labels.value_or(options.model));
}

Status Network::read_preprocessing(const Options& options) {
    Result<image::Preprocessing> preprocessing = image::read_preprocessing(model_.metadata());
    if (!preprocessing.ok()) {
        return Status(preprocessing.status()).in_file(file_);
    }
    // Trained networks say so themselves where they want a frame of zeros.
    const std::optional<int> resize = options.image.resize;
    const std::int64_t side = std::min(input_shape_[2], input_shape_[3]);
    if (resize && *resize < side) {
        return Status(Problem{file_,
                              {},
                              "takes images of a shorter side of " + std::to_string(side) +
                                  ", more than --resize " + std::to_string(*resize),
                              "raise --resize"});
    }
    preprocessing_ = options.image.over(preprocessing.value());
    return {};
}

}  // namespace sluice::classify
