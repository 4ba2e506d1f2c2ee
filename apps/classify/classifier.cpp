#include "classify/classifier.h"

#include <chrono>
#include <cstddef>
#include <utility>

#include "classify/labels.h"

namespace sluice::classify {

Classifier::Classifier(const Network& network, Session session, int top)
    : network_(&network), session_(std::move(session)), top_(top) {
    const std::array<std::int64_t, 4>& shape = network.input_shape();
    const auto samples = static_cast<std::size_t>(3 * shape[2] * shape[3]);
    if (network.takes_bytes()) {
        nchw_bytes_.resize(samples);
    } else {
        nchw_.resize(samples);
    }
    scores_.resize(static_cast<std::size_t>(network.score_count()));
}

Result<Classifier> Classifier::create(const Network& network, const Options& options, int threads) {
    Result<Session> session =
        Session::create(network.model(), {threads, options.masks || options.gates});
    if (!session.ok()) {
        return Status(session.status()).in_file(network.file());
    }
    return Classifier(network, std::move(session).value(), options.top);
}

Status Classifier::run() {
    const std::array<std::int64_t, 4>& shape = network_->input_shape();
    const TensorView input = network_->takes_bytes() ? TensorView(nchw_bytes_.data(), shape)
                                                     : TensorView(nchw_.data(), shape);
    const MutableTensorView output{scores_.data(), network_->output_shape()};
    return session_.run(std::span(&input, 1), std::span(&output, 1)).in_file(network_->file());
}

Result<Classification> Classifier::classify(const std::filesystem::path& path) {
    const Result<image::Image> source = image::read(path);
    if (!source.ok()) {
        return source.status();
    }
    Result<image::Image> fitted = image::fit(source.value(), network_->preprocessing(),
                                             network_->width(), network_->height());
    if (!fitted.ok()) {
        return Status(fitted.status()).in_file(path.string());
    }
    input_ = std::move(fitted).value();
    if (network_->takes_bytes()) {
        image::to_nchw(input_, nchw_bytes_);
    } else {
        image::to_nchw(input_, network_->preprocessing(), nchw_);
    }
    if (!warm_) {
        SLUICE_RETURN_IF_ERROR(run());
        warm_ = true;
    }
    const auto start = std::chrono::steady_clock::now();
    SLUICE_RETURN_IF_ERROR(run());
    const std::chrono::duration<double, std::milli> elapsed =
        std::chrono::steady_clock::now() - start;
    return read_scores(path.string(), elapsed.count());
}

Classification Classifier::read_scores(std::string file, double latency_ms) const {
    Classification result;
    result.file = std::move(file);
    result.scores = scores_;
    result.latency_ms = latency_ms;
    result.macs = network_->model().macs();
    result.macs_executed = session_.macs_executed();
    if (!all_finite(scores_)) {
        return result;
    }
    result.class_scores = to_class_scores(scores_, network_->class_count());
    const std::vector<double> probabilities = network_->sigmoid()
                                                  ? to_sigmoids(result.class_scores)
                                                  : to_probabilities(result.class_scores);
    result.best = rank(result.class_scores, probabilities, static_cast<std::size_t>(top_));
    for (const Ranked& ranked : result.best) {
        result.names.push_back(name_class(network_->labels(), ranked.index));
    }
    return result;
}

std::vector<GateMap> Classifier::gate_maps() const {
    std::vector<GateMap> maps;
    const std::span<const GateReading> readings = session_.gates();
    for (std::size_t i = 0; i < readings.size(); ++i) {
        const GateInfo& gate = network_->model().gates()[i];
        maps.push_back({gate.layer, gate.groups, gate.height, gate.width, readings[i].values,
                        readings[i].density(), gate.skips, gate.grid, gate.output_height,
                        gate.output_width});
    }
    return maps;
}

}  // namespace sluice::classify
