#include "classify/requirements.h"

#include <cstddef>
#include <string>
#include <vector>

#include "image/image.h"

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

}  // namespace

Status check_classifier(const Model& model) {
    SLUICE_RETURN_IF_ERROR(check_input(model.inputs()));
    return check_output(model.outputs());
}

}  // namespace sluice::classify
