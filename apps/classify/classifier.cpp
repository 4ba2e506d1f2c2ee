#include "classify/classifier.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <utility>

#include "classify/labels.h"

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

bool is_one_picture(const Dimension& batch) { return batch.size == -1 || batch.size == 1; }

Status check_input(const std::vector<TensorInfo>& inputs) {
    const auto fits = [](const Dimension& side) {
        return side.size >= 1 && side.size <= picture::max_side;
    };
    const bool colour = inputs.size() == 1 && inputs[0].shape.size() == 4 &&
                        inputs[0].shape[1].size == 3 && fits(inputs[0].shape[2]) &&
                        fits(inputs[0].shape[3]);
    if (!colour) {
        return Status::error("takes no colour picture: its inputs are " + describe(inputs),
                             "export it with one input [N, 3, height, width]");
    }
    if (!is_one_picture(inputs[0].shape[0])) {
        return Status::error("takes only batches of " + std::to_string(inputs[0].shape[0].size) +
                                 ": its input is " + describe(inputs),
                             "export it with a batch of 1 or a symbolic one");
    }
    return {};
}

Status check_output(const std::vector<TensorInfo>& outputs) {
    bool scores = outputs.size() == 1 && outputs[0].shape.size() >= 2 &&
                  is_one_picture(outputs[0].shape[0]) && outputs[0].shape[1].size >= 1;
    for (std::size_t i = 2; scores && i < outputs[0].shape.size(); ++i) {
        scores = outputs[0].shape[i].size == 1;
    }
    if (!scores) {
        return Status::error("gives no score a class: its outputs are " + describe(outputs),
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

Classifier::Classifier(Model model, Session session, const Options& options)
    : model_(std::move(model)),
      session_(std::move(session)),
      file_(options.model.string()),
      top_(options.top),
      output_shape_(shape_of_one(model_.outputs()[0])) {
    const std::vector<std::int64_t> shape = shape_of_one(model_.inputs()[0]);
    std::copy(shape.begin(), shape.end(), input_shape_.begin());
    nchw_.resize(static_cast<std::size_t>(3 * shape[2] * shape[3]));
    scores_.resize(static_cast<std::size_t>(output_shape_[1]));
}

Result<Classifier> Classifier::load(const Options& options) {
    const std::string file = options.model.string();
    Result<Model> model = Model::load(options.model, {options.target});
    if (!model.ok()) {
        return model.status();
    }
    SLUICE_RETURN_IF_ERROR(check_input(model->inputs()).in_file(file));
    SLUICE_RETURN_IF_ERROR(check_output(model->outputs()).in_file(file));
    if (options.masks && model->gates().empty()) {
        return Status(Problem{file,
                              {},
                              "has no gated layer, so there is no mask to draw",
                              "leave --masks out, or name a network with LCCLs"});
    }
    Result<Session> session =
        Session::create(model.value(), {options.threads, options.masks.has_value()});
    if (!session.ok()) {
        return Status(session.status()).in_file(file);
    }
    Classifier classifier(std::move(model).value(), std::move(session).value(), options);
    SLUICE_RETURN_IF_ERROR(classifier.read_labels(options));
    SLUICE_RETURN_IF_ERROR(classifier.read_preprocessing(options));
    return classifier;
}

Status Classifier::read_labels(const Options& options) {
    Result<std::vector<std::string>> labels =
        options.labels ? read_label_file(*options.labels) : picture::read_labels(model_.metadata());
    if (!labels.ok()) {
        return Status(labels.status()).in_file(file_);
    }
    labels_ = std::move(labels).value();
    return check_label_count(labels_, class_count(), options.labels.value_or(options.model));
}

Status Classifier::read_preprocessing(const Options& options) {
    Result<picture::Preprocessing> preprocessing = picture::read_preprocessing(model_.metadata());
    if (!preprocessing.ok()) {
        return Status(preprocessing.status()).in_file(file_);
    }
    preprocessing_ = preprocessing.value();
    preprocessing_.mean = options.mean.value_or(preprocessing_.mean);
    preprocessing_.deviation = options.deviation.value_or(preprocessing_.deviation);
    if (options.resize) {
        // Trained networks say so themselves where they want a frame of zeros.
        const std::int64_t side = std::min(input_shape_[2], input_shape_[3]);
        if (*options.resize < side) {
            return Status(Problem{file_,
                                  {},
                                  "takes images of a shorter side of " + std::to_string(side) +
                                      ", more than --resize " + std::to_string(*options.resize),
                                  "raise --resize"});
        }
        preprocessing_.shorter_side = options.resize;
    }
    return {};
}

Status Classifier::run() {
    const TensorView input{nchw_.data(), input_shape_};
    const MutableTensorView output{scores_.data(), output_shape_};
    return session_.run(std::span(&input, 1), std::span(&output, 1)).in_file(file_);
}

Result<Classification> Classifier::classify(const std::filesystem::path& path) {
    const Result<picture::Picture> source = picture::read(path);
    if (!source.ok()) {
        return source.status();
    }
    Result<picture::Picture> fitted =
        picture::fit(source.value(), preprocessing_, static_cast<int>(input_shape_[3]),
                     static_cast<int>(input_shape_[2]));
    if (!fitted.ok()) {
        return Status(fitted.status()).in_file(path.string());
    }
    input_ = std::move(fitted).value();
    picture::to_nchw(input_, preprocessing_, nchw_);
    if (!warm_) {
        SLUICE_RETURN_IF_ERROR(run());
        warm_ = true;
    }
    const auto start = std::chrono::steady_clock::now();
    SLUICE_RETURN_IF_ERROR(run());
    const std::chrono::duration<double, std::milli> elapsed =
        std::chrono::steady_clock::now() - start;
    if (!std::all_of(scores_.begin(), scores_.end(), [](float s) { return std::isfinite(s); })) {
        return Status(Problem{path.string(),
                              {},
                              "gets scores that are not finite from " + file_,
                              "check --mean and --std, and the network in ONNX Runtime"});
    }
    Classification result{path.string(),           scores_, {}, {}, elapsed.count(), model_.macs(),
                          session_.macs_executed()};
    result.best = rank(to_probabilities(scores_), static_cast<std::size_t>(top_));
    for (const Ranked& ranked : result.best) {
        result.names.push_back(name_class(labels_, ranked.index));
    }
    return result;
}

std::vector<GateMap> Classifier::gate_maps() const {
    std::vector<GateMap> maps;
    const std::span<const GateReading> readings = session_.gates();
    for (std::size_t i = 0; i < readings.size(); ++i) {
        const GateInfo& gate = model_.gates()[i];
        maps.push_back({gate.layer, gate.groups, gate.height, gate.width, readings[i].values,
                        readings[i].density(), gate.skips});
    }
    return maps;
}

}  // namespace sluice::classify
