#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "classify/classification.h"
#include "classify/heat_map.h"
#include "classify/network.h"
#include "sluice/session.h"

namespace sluice::classify {

/// A session of a network and the memory to classify one image at a time. Several may run at once,
/// each in a thread of its own.
class Classifier {
public:
    /// `threads` share out the work of each image. The network must outlive the classifier.
    static Result<Classifier> create(const Network& network, const Options& options, int threads);

    /// Reads an image and runs the network on it. Scores that are not finite are no failure here:
    /// the result then names no class.
    Result<Classification> classify(const std::filesystem::path& path);

    /// The last image at the network's input size.
    const image::Image& input() const { return input_; }
    /// What each gated layer let through for the last image; valid until the next one. Needs
    /// Options::masks or Options::gates.
    std::vector<GateMap> gate_maps() const;

private:
    Classifier(const Network& network, Session session, int top);
    Status run();
    Classification read_scores(std::string file, double latency_ms) const;

    const Network* network_;
    Session session_;
    int top_;
    std::vector<float> nchw_;               ///< of networks that take floats
    std::vector<std::uint8_t> nchw_bytes_;  ///< of those that take bytes
    std::vector<float> scores_;
    image::Image input_;
    bool warm_ = false;
};

}  // namespace sluice::classify
