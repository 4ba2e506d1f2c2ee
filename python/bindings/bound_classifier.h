#pragma once

#include <map>
#include <string>
#include <vector>

#include <nanobind/ndarray.h>

#include "bindings/bound_model.h"
#include "image/preprocess.h"

namespace sluice::python {

/// What `sluice classify` does before and after a model runs: an image becomes the model's input,
/// and its scores become a class. Has no state that a call changes.
class BoundClassifier {
public:
    using Metadata = std::map<std::string, std::string>;
    using Pixels = nb::ndarray<nb::ro, const std::uint8_t, nb::shape<-1, -1, 3>, nb::c_contig,
                               nb::device::cpu>;
    using Scores = nb::ndarray<nb::ro, const float, nb::c_contig, nb::device::cpu>;

    /// `metadata` stands in the place of the file's. Raises sluice.Error where the model is no
    /// classifier of images, or the metadata are not as image/preprocess.h has them.
    BoundClassifier(const BoundModel& model, const Metadata& metadata);

    nb::list labels() const;
    /// The input of an image file's contents: [1, 3, height, width].
    nb::object input_of_file(const nb::bytes& contents) const;
    /// The same of samples [height, width, 3], RGB.
    nb::object input_of_pixels(const Pixels& pixels) const;
    /// (index of the best class, its probability); None where a score is not finite.
    static nb::object best(const Scores& scores);

private:
    template <typename Read>
    nb::object input_of(const Read& read) const;

    Maker maker_;
    TensorInfo input_;
    image::Preprocessing preprocessing_;
    std::vector<std::string> labels_;
};

}  // namespace sluice::python
