#include "bindings/bound_classifier.h"

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

#include "bindings/errors.h"
#include "classify/requirements.h"
#include "classify/scores.h"
#include "image/codecs.h"

namespace sluice::python {
namespace {

Status check_class_count(std::size_t labels, std::int64_t scores) {
    if (scores == 1) {
        return Status::error("gives a single score, which decides no class", "use sluice.Model");
    }
    if (labels != 0 && std::int64_t(labels) != scores) {
        return Status::error("has " + std::to_string(labels) + " class names and " +
                                 std::to_string(scores) + " scores",
                             "pass labels= with a name per score");
    }
    return {};
}

template <typename T>
T value_in_file(Result<T>&& result, const std::string& file) {
    if (!result.ok()) {
        raise(Status(result.status()).in_file(file));
    }
    return std::move(result).value();
}

Result<image::Image> copy_of_pixels(const BoundClassifier::Pixels& pixels) {
    const auto height = std::int64_t(pixels.shape(0)), width = std::int64_t(pixels.shape(1));
    SLUICE_RETURN_IF_ERROR(image::check_size(width, height));
    try {
        return image::Image{
            int(width), int(height), {pixels.data(), pixels.data() + pixels.size()}};
    } catch (const std::bad_alloc&) {
        return image::out_of_memory();
    }
}

}  // namespace

BoundClassifier::BoundClassifier(const BoundModel& bound, const Metadata& metadata) {
    const Model& model = bound.model();
    if (Status status = classify::check_classifier(model); !status.ok()) {
        raise(std::move(status).in_file(bound.file()));
    }
    input_ = model.inputs()[0];
    preprocessing_ = value_in_file(image::read_preprocessing(metadata), bound.file());
    labels_ = value_in_file(image::read_labels(metadata), bound.file());
    Status counted = check_class_count(labels_.size(), model.outputs()[0].shape[1].size);
    if (!counted.ok()) {
        raise(std::move(counted).in_file(bound.file()));
    }
}

nb::list BoundClassifier::labels() const {
    nb::list names;
    for (const std::string& label : labels_) {
        names.append(to_python(label));
    }
    return names;
}

template <typename Read>
nb::object BoundClassifier::input_of(const Read& read) const {
    const Output output = maker_.make(input_, 1);
    const auto height = int(output.shape[2]), width = int(output.shape[3]);
    const std::size_t samples = std::size_t(3) * std::size_t(height) * std::size_t(width);
    const auto prepare = [&]() -> Status {
        const nb::gil_scoped_release released;
        const Result<image::Image> source = read();
        if (!source.ok()) {
            return source.status();
        }
        const Result<image::Image> fitted =
            image::fit(source.value(), preprocessing_, width, height);
        if (!fitted.ok()) {
            return fitted.status();
        }
        if (output.type == DataType::uint8) {
            image::to_nchw(fitted.value(),
                           std::span(static_cast<std::uint8_t*>(output.data), samples));
        } else {
            image::to_nchw(fitted.value(), preprocessing_,
                           std::span(static_cast<float*>(output.data), samples));
        }
        return {};
    };
    if (const Status prepared = prepare(); !prepared.ok()) {
        raise(prepared);
    }
    return output.array;
}

nb::object BoundClassifier::input_of_file(const nb::bytes& contents) const {
    const std::span bytes(static_cast<const std::uint8_t*>(contents.data()), contents.size());
    return input_of([&] { return image::decode(bytes); });
}

nb::object BoundClassifier::input_of_pixels(const Pixels& pixels) const {
    return input_of([&] { return copy_of_pixels(pixels); });
}

nb::object BoundClassifier::best(const Scores& array) {
    const std::span scores(array.data(), array.size());
    if (!classify::all_finite(scores)) {
        return nb::none();
    }
    const std::vector<double> probabilities = classify::to_probabilities(scores);
    const classify::Ranked first = classify::rank(scores, probabilities, 1).at(0);
    return nb::make_tuple(first.index, first.probability);
}

}  // namespace sluice::python
