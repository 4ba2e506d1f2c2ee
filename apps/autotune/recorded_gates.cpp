#include "autotune/recorded_gates.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <span>

#include "common/inputs.h"
#include "sluice/session.h"

namespace sluice::autotune {
namespace {

constexpr double drawn_densities[] = {1.0, 0.5, 0.2};
constexpr unsigned seed_of_gates = 1;

/// Active gates of any values, because those of a network may all but vanish, and answers with
/// them.
class Values {
public:
    float draw() { return distribution_(random_); }
    std::mt19937& random() { return random_; }

private:
    std::mt19937 random_{seed_of_gates};
    std::uniform_real_distribution<float> distribution_{0.1F, 1};
};

Status run_image(Session& session, const apps::Inputs& inputs, std::size_t image,
                 std::vector<float>& output, const std::vector<std::int64_t>& output_shape) {
    std::vector<std::int64_t> shape = inputs.shape;
    shape.insert(shape.begin(), 1);
    const std::size_t each = inputs.values.size() / static_cast<std::size_t>(inputs.images);
    const TensorView in{inputs.values.data() + image * each, shape};
    const MutableTensorView out{output.data(), output_shape};
    return session.run({&in, 1}, {&out, 1});
}

}  // namespace

Result<std::string> record_gates(const std::filesystem::path& path, const Target& target,
                                 const std::filesystem::path& data, Gates& gates) {
    const Result<Model> model = Model::load(path, {target.id});
    if (!model.ok()) {
        return model.status();
    }
    const Result<apps::Inputs> inputs = apps::make_inputs(model.value(), data, 1);
    if (!inputs.ok()) {
        return Status(inputs.status()).in_file(path.string());
    }
    Result<Session> session = Session::create(model.value(), {1, true});
    if (!session.ok()) {
        return session.status();
    }
    std::vector<std::int64_t> shape = {1};
    const std::vector<Dimension>& scores = model->outputs()[0].shape;
    for (std::size_t axis = 1; axis < scores.size(); ++axis) {
        shape.push_back(scores[axis].size);
    }
    std::vector<float> output(static_cast<std::size_t>(
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>())));
    Values values;
    for (std::int64_t i = 0; i < inputs->images; ++i) {
        SLUICE_RETURN_IF_ERROR(
            run_image(session.value(), inputs.value(), static_cast<std::size_t>(i), output, shape));
        for (std::size_t gate = 0; gate < model->gates().size(); ++gate) {
            const std::span<const float> read = session->gates()[gate].values;
            Gate kept(read.size());
            std::transform(read.begin(), read.end(), kept.begin(),
                           [&](float value) { return value != 0 ? values.draw() : 0; });
            gates[model->gates()[gate].layer].push_back(
                std::make_shared<const Gate>(std::move(kept)));
        }
    }
    if (inputs->source != "images") {
        return "of " + inputs->source + " values";
    }
    const std::filesystem::path folder = data.filename().empty() ? data.parent_path() : data;
    return "of the images in " + folder.filename().string();
}

Gates draw_gates(const std::vector<GateInfo>& gates) {
    Values values;
    Gates drawn;
    for (const GateInfo& gate : gates) {
        const std::int64_t size = gate.height * gate.width;
        std::vector<std::int64_t> places(static_cast<std::size_t>(size));
        std::iota(places.begin(), places.end(), 0);
        for (const double density : drawn_densities) {
            const double count = std::max(1.0, std::round(density * static_cast<double>(size)));
            Gate kept(static_cast<std::size_t>(gate.groups * size));
            for (std::int64_t group = 0; group < gate.groups; ++group) {
                std::vector<std::int64_t> active;
                std::sample(places.begin(), places.end(), std::back_inserter(active),
                            static_cast<std::int64_t>(count), values.random());
                for (const std::int64_t place : active) {
                    kept[static_cast<std::size_t>(group * size + place)] = values.draw();
                }
            }
            drawn[gate.layer].push_back(std::make_shared<const Gate>(std::move(kept)));
        }
    }
    return drawn;
}

}  // namespace sluice::autotune
