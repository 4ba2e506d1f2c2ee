#include "classify/network.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "classify/labels.h"
#include "common/image_size.h"

namespace sluice::classify {
namespace {

std::string describe(const TensorInfo& tensor) {
    std::string text = "'" + tensor.name + "' [";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
        const Dimension& extent = tensor.shape[i];
        text += (i == 0 ? "" : ", ");
        text += extent.size >= 0 ? std::to_string(extent.size)
                                 : (extent.name.empty() ? "?" : extent.name);
    }
    return text + "]";
}

std::string describe(const std::vector<TensorInfo>& tensors) {
    std::string text;
    for (const TensorInfo& tensor : tensors) {
        text += (text.empty() ? "" : ", ") + describe(tensor);
    }
    return text.empty() ? "none" : text;
}

bool is_one_image(const Dimension& batch) { return batch.size == -1 || batch.size == 1; }

Status check_input(const std::vector<TensorInfo>& inputs) {
    const auto fits = [](const Dimension& side) {
        return side.size >= 1 && side.size <= image::max_side;
    };
    const bool colour = inputs.size() == 1 && inputs[0].shape.size() == 4 &&
                        inputs[0].shape[1].size == 3 && fits(inputs[0].shape[2]) &&
                        fits(inputs[0].shape[3]);
    if (!colour) {
        return Status::error("takes no colour image: its inputs are " + describe(inputs),
                             "export it with one input [N, 3, height, width]");
    }
    if (inputs[0].type == DataType::int8) {
        return Status::error("takes pixels of int8: its input is " + describe(inputs),
                             "export it with an input of uint8 or float32");
    }
    if (!is_one_image(inputs[0].shape[0])) {
        return Status::error("takes only batches of " + std::to_string(inputs[0].shape[0].size) +
                                 ": its input is " + describe(inputs),
                             "export it with a batch of 1 or a symbolic one");
    }
    return {};
}

Status check_output(const std::vector<TensorInfo>& outputs) {
    bool scores = outputs.size() == 1 && outputs[0].shape.size() >= 2 &&
                  is_one_image(outputs[0].shape[0]) && outputs[0].shape[1].size >= 1;
    for (std::size_t i = 2; scores && i < outputs[0].shape.size(); ++i) {
        scores = outputs[0].shape[i].size == 1;
    }
    if (scores && outputs[0].type != DataType::float32) {
        return Status::error(std::string("gives scores of ") + to_string(outputs[0].type),
                             "export it with an output of float32");
    }
    if (!scores) {
        return Status::error("gives no score per class: its outputs are " + describe(outputs),
                             "export it with one output [N, classes]");
    }
    return {};
}

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
    SLUICE_RETURN_IF_ERROR(check_input(model->inputs()).in_file(file));
    SLUICE_RETURN_IF_ERROR(apps::check_size(model->inputs(), options.size).in_file(file));
    SLUICE_RETURN_IF_ERROR(check_output(model->outputs()).in_file(file));
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
