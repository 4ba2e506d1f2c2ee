#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "classify/options.h"
#include "image/preprocess.h"
#include "sluice/model.h"

namespace sluice::classify {

/// A model that classifies images, with all that its sessions share: class names and
/// preprocessing.
class Network {
public:
    /// Fails where the model cannot be read, or is no classifier of images: one input [N, 3,
    /// height, width] and one output of a score per class.
    static Result<Network> load(const Options& options);

    /// Names the classes; fails unless there are as many as the scores decide between.
    Status name_classes(std::vector<std::string> names, const std::filesystem::path& source);

    const Model& model() const { return model_; }
    const std::string& file() const { return file_; }
    const image::Preprocessing& preprocessing() const { return preprocessing_; }
    /// Of a single image: [1, 3, height, width], and [1, scores, 1 ...].
    const std::array<std::int64_t, 4>& input_shape() const { return input_shape_; }
    const std::vector<std::int64_t>& output_shape() const { return output_shape_; }
    /// Whether it takes an image's samples as they are, and normalises them itself.
    bool takes_bytes() const { return model_.inputs()[0].type == DataType::uint8; }
    int width() const { return static_cast<int>(input_shape_[3]); }
    int height() const { return static_cast<int>(input_shape_[2]); }

    std::int64_t score_count() const { return output_shape_[1]; }
    bool has_single_score() const { return score_count() == 1; }
    /// Empty, or a name per class.
    const std::vector<std::string>& labels() const { return labels_; }
    /// Classes that the scores decide between: one per score. A single score decides nothing
    /// unless `sigmoid()`. It then is that of the second of two named classes, else of the only
    /// class.
    std::int64_t class_count() const;
    /// Whether a single score is the logit of a probability.
    bool sigmoid() const { return sigmoid_; }

private:
    Network(Model model, const Options& options);
    Status read_labels(const Options& options);
    Status read_preprocessing(const Options& options);

    Model model_;
    std::string file_;
    bool sigmoid_;
    std::array<std::int64_t, 4> input_shape_{};
    std::vector<std::int64_t> output_shape_;
    std::vector<std::string> labels_;
    image::Preprocessing preprocessing_;
};

}  // namespace sluice::classify
