#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "classify/classification.h"
#include "classify/heat_map.h"
#include "classify/options.h"
#include "picture/preprocess.h"
#include "sluice/session.h"

namespace sluice::classify {

/// A model with all that turns a picture into classes: labels, preprocessing and a session.
class Classifier {
public:
    /// Fails where the model cannot be read, or is no classifier of pictures: one input [N, 3,
    /// height, width] and one output of a score a class.
    static Result<Classifier> load(const Options& options);

    /// Reads a picture and runs the network on it.
    Result<Classification> classify(const std::filesystem::path& path);

    const Model& model() const { return model_; }
    const std::vector<std::string>& labels() const { return labels_; }
    std::int64_t class_count() const { return static_cast<std::int64_t>(scores_.size()); }
    /// The last picture at the network's input size.
    const picture::Picture& input() const { return input_; }
    /// What each gated layer let through for the last picture; valid until the next one. Needs
    /// Options::masks.
    std::vector<GateMap> gate_maps() const;

private:
    Classifier(Model model, Session session, const Options& options);
    Status read_labels(const Options& options);
    Status read_preprocessing(const Options& options);
    Status run();

    Model model_;
    Session session_;
    std::string file_;
    int top_;
    std::vector<std::string> labels_;
    picture::Preprocessing preprocessing_;
    std::array<std::int64_t, 4> input_shape_{};
    std::vector<std::int64_t> output_shape_;
    std::vector<float> nchw_;
    std::vector<float> scores_;
    picture::Picture input_;
    bool warm_ = false;
};

}  // namespace sluice::classify
