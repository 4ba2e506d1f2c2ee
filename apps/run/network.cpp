#include "run/network.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "image/formats.h"
#include "run/fill.h"
#include "run/image_input.h"

namespace sluice::run {
namespace {

/// A tensor of a shape that a model has accepted.
Result<npy::Array> allocate(const TensorInfo& info, const Extents& extents) {
    npy::Array array{shape_of(info, extents), {}, info.type};
    std::int64_t count = 1;
    for (const std::int64_t extent : array.shape) {
        if (extent > 0 && count > npy::max_elements / extent) {
            return Status::error("'" + info.name + "' would have the shape " +
                                     describe(array.shape) + ", over 2^31 elements",
                                 "give a smaller batch");
        }
        count *= extent;
    }
    array.values.resize(static_cast<std::size_t>(count));
    return array;
}

/// Random values from -1 to 1 as random elements of an integer type.
void to_integers(DataType type, std::vector<float>& values) {
    if (type == DataType::float32) {
        return;
    }
    const auto [low, high] = integers_of(type);
    for (float& value : values) {
        value = std::clamp(float(low) + std::floor((value + 1) * 128), float(low), float(high));
    }
}

Status check_given(const Files& files, const std::vector<TensorInfo>& inputs) {
    std::vector<TensorInfo> missing;
    for (std::size_t i = 0; i < files.size(); ++i) {
        if (!files[i]) {
            missing.push_back(inputs[i]);
        }
    }
    if (missing.empty()) {
        return {};
    }
    return Status::error("has inputs that are not given: " + describe(missing),
                         "name a file for each with --input, or give --random SEED or --zeros");
}

}  // namespace

Network::Network(Model model, Session session, std::string file)
    : model_(std::move(model)), session_(std::move(session)), file_(std::move(file)) {}

Result<Network> Network::load(const std::filesystem::path& file, const ModelOptions& options,
                              int threads) {
    Result<Model> model = Model::load(file, options);
    if (!model.ok()) {
        return model.status();
    }
    Result<Session> session = Session::create(model.value(), {threads});
    if (!session.ok()) {
        return Status(session.status()).in_file(file.string());
    }
    return Network(std::move(model).value(), std::move(session).value(), file.string());
}

Status Network::read_inputs(const Files& files, const Fill& fill,
                            const image::Preprocessing& preprocessing) {
    const std::vector<TensorInfo>& infos = model_.inputs();
    if (!fill.seed && !fill.zeros) {
        SLUICE_RETURN_IF_ERROR(check_given(files, infos).in_file(file_));
    }
    inputs_.assign(infos.size(), {});
    Extents extents;
    for (std::size_t i = 0; i < infos.size(); ++i) {
        if (!files[i]) {
            continue;
        }
        Result<npy::Array> read = image::has_image_extension(*files[i])
                                      ? read_image(*files[i], infos[i], preprocessing)
                                      : npy::read(*files[i]);
        if (!read.ok()) {
            return read.status();
        }
        inputs_[i] = std::move(read).value();
        SLUICE_RETURN_IF_ERROR(
            learn_extents(infos[i], inputs_[i].shape, extents).in_file(files[i]->string()));
    }
    std::optional<Uniform> uniform;
    if (fill.seed) {
        uniform.emplace(*fill.seed);
    }
    for (std::size_t i = 0; i < infos.size(); ++i) {
        if (files[i]) {
            continue;
        }
        Result<npy::Array> filled = allocate(infos[i], extents);
        if (!filled.ok()) {
            return Status(filled.status()).in_file(file_);
        }
        inputs_[i] = std::move(filled).value();
        if (uniform) {
            uniform->fill(inputs_[i].values);
            to_integers(infos[i].type, inputs_[i].values);
        }
    }
    integer_inputs_.clear();
    for (std::size_t i = 0; i < infos.size(); ++i) {
        integer_inputs_.emplace_back(infos[i].type);
        if (infos[i].type != DataType::float32) {
            SLUICE_RETURN_IF_ERROR(integer_inputs_[i]
                                       .set(inputs_[i].values)
                                       .in_file(files[i] ? files[i]->string() : file_));
        }
    }
    outputs_.clear();
    integer_outputs_.clear();
    for (const TensorInfo& info : model_.outputs()) {
        Result<npy::Array> output = allocate(info, extents);
        if (!output.ok()) {
            return Status(output.status()).in_file(file_);
        }
        outputs_.push_back(std::move(output).value());
        integer_outputs_.emplace_back(info.type);
        if (info.type != DataType::float32) {
            integer_outputs_.back().resize(outputs_.back().values.size());
        }
    }
    return {};
}

Status Network::run() {
    std::vector<TensorView> inputs;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
        const npy::Array& input = inputs_[i];
        const bool is_float = model_.inputs()[i].type == DataType::float32;
        inputs.push_back(is_float ? TensorView(input.values.data(), input.shape)
                                  : integer_inputs_[i].view(input.shape));
    }
    std::vector<MutableTensorView> outputs;
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
        npy::Array& output = outputs_[i];
        if (output.type == DataType::float32) {
            std::fill(output.values.begin(), output.values.end(),
                      std::numeric_limits<float>::quiet_NaN());
            outputs.push_back({output.values.data(), output.shape});
        } else {
            outputs.push_back(integer_outputs_[i].mutable_view(output.shape));
        }
    }
    SLUICE_RETURN_IF_ERROR(session_.run(inputs, outputs).in_file(file_));
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
        if (outputs_[i].type != DataType::float32) {
            integer_outputs_[i].get(outputs_[i].values);
        }
    }
    return {};
}

}  // namespace sluice::run
