#include "benchmark/layer_times.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "benchmark/kernel_times.h"
#include "common/layer_run.h"
#include "sluice/session.h"

namespace sluice::benchmark {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int least_layer_rounds = 5;

double layer_milliseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Samples of one quantity, by image.
class Samples {
public:
    explicit Samples(std::size_t images) : of_image_(images) {}
    void add(std::size_t image, double value) { of_image_[image].push_back(value); }
    double mean_of_medians() const {
        double sum = 0;
        for (const std::vector<double>& values : of_image_) {
            sum += apps::summarise(values).median_ms;
        }
        return sum / static_cast<double>(of_image_.size());
    }

private:
    std::vector<std::vector<double>> of_image_;
};

/// A gated layer's steps, and the kernel that computes it without the gate.
struct Layer {
    std::size_t gate = 0;
    std::string shape;  ///< as the plan describes it
    std::vector<std::size_t> steps;
    std::vector<std::size_t> branch;  ///< of steps
    std::unique_ptr<apps::LayerRun> dense;
    std::vector<double> dense_ms;
};

bool is_branch(const StepInfo& step) {
    return step.kernel.starts_with("branch_") || step.kernel.starts_with("int8_branch_");
}

/// Of up to three of a layer, one runs in each run.
bool is_gated_product(const StepInfo& step) {
    const auto kernel = std::find_if(kernels().begin(), kernels().end(),
                                     [&](const Kernel& of) { return step.kernel == of.name; });
    return kernel != kernels().end() && kernel->gate == GateForm::position;
}

/// Plans a layer as if it had no gate.
Status add_dense_kernel(const Graph& graph, const Target& target, const std::string& name,
                        Layer& layer) {
    const auto gated = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                    [&](const Node& node) { return node.name == name; });
    auto planned = std::optional<Alternative>();
    if (gated != graph.nodes.end() && gated->fused_conv) {
        Node node = *gated;
        node.inputs[1] = no_value;
        node.fused_conv->gate = GateForm::none;
        node.fused_conv->gate_grid = 1;
        planned = alternative(graph, node, target, std::nullopt);
    }
    if (!planned) {
        return Status::error("there is no dense kernel for " + name);
    }
    layer.dense = std::make_unique<apps::LayerRun>(std::move(*planned), 1);
    layer.dense->prepare();
    return {};
}

// The nearest branch before the layer's first step; a shortcut's steps may lie between. A gate for
// every tile has a pool before its branch.
void add_branch(const std::vector<StepInfo>& steps, std::size_t first, bool has_tiles,
                Layer& layer) {
    for (std::size_t i = first; i > 0 && !is_gated_product(steps[i - 1]); --i) {
        if (!is_branch(steps[i - 1])) {
            continue;
        }
        layer.branch = {i - 1};
        if (has_tiles && i > 1 && steps[i - 2].kernel.starts_with("max_pool")) {
            layer.branch.push_back(i - 2);
        }
        return;
    }
}

Result<std::vector<Layer>> find_layers(const Model& model, const Graph& graph,
                                       const std::vector<StepInfo>& steps) {
    const Result<const Target*> target = choose_target(model.target());
    if (!target.ok()) {
        return target.status();
    }
    std::vector<Layer> layers;
    for (std::size_t gate = 0; gate < model.gates().size(); ++gate) {
        Layer layer;
        layer.gate = gate;
        for (std::size_t i = 0; i < steps.size(); ++i) {
            if (steps[i].node != model.gates()[gate].layer) {
                continue;
            }
            if (layer.steps.empty()) {
                add_branch(steps, i, model.gates()[gate].grid > 1, layer);
            }
            layer.steps.push_back(i);
            if (is_gated_product(steps[i])) {
                layer.shape = steps[i].shape;
            }
        }
        if (!model.gates()[gate].skips || layer.shape.empty()) {
            continue;
        }
        layer.steps.insert(layer.steps.end(), layer.branch.begin(), layer.branch.end());
        SLUICE_RETURN_IF_ERROR(
            add_dense_kernel(graph, *target.value(), model.gates()[gate].layer, layer));
        layers.push_back(std::move(layer));
    }
    return layers;
}

/// What the runs of a network add up to.
struct Totals {
    std::vector<Samples> step_ms;
    std::vector<double> step_macs;
    std::vector<double> gate_density;
    int runs = 0;

    Totals(std::size_t steps, std::size_t gates, std::size_t images)
        : step_ms(steps, Samples(images)), step_macs(steps), gate_density(gates) {}

    void add(const Session& session, std::size_t image) {
        for (std::size_t i = 0; i < step_ms.size(); ++i) {
            step_ms[i].add(image, session.steps()[i].seconds * 1000);
            step_macs[i] += static_cast<double>(session.steps()[i].macs);
        }
        for (std::size_t i = 0; i < gate_density.size(); ++i) {
            gate_density[i] += session.gates()[i].density();
        }
        ++runs;
    }
};

LayerResult describe(const Model& model, const Layer& layer, const std::vector<StepResult>& steps,
                     const Totals& totals) {
    const GateInfo& gate = model.gates()[layer.gate];
    LayerResult result;
    result.layer = gate.layer;
    result.shape = layer.shape;
    result.density = totals.gate_density[layer.gate] / totals.runs;
    double executed = 0;
    for (const std::size_t step : layer.steps) {
        result.gated_ms += steps[step].ms;
        executed += steps[step].macs;
    }
    for (const std::size_t step : layer.branch) {
        result.branch_ms += steps[step].ms;
    }
    const Kernel& dense = layer.dense->layer().kernel();
    result.dense_kernel = family_name({dense.algorithm, dense.gate});
    result.dense_ms = apps::summarise(layer.dense_ms).median_ms;
    result.executed_share = executed / static_cast<double>(gate.macs);
    return result;
}

LayerTimes conclude(const Model& model, const std::vector<StepInfo>& infos,
                    const std::vector<Layer>& layers, const Totals& totals) {
    LayerTimes result;
    for (std::size_t i = 0; i < infos.size(); ++i) {
        result.steps.push_back({"", infos[i].node, infos[i].kernel, infos[i].shape,
                                totals.step_ms[i].mean_of_medians(),
                                totals.step_macs[i] / totals.runs});
    }
    for (const Layer& layer : layers) {
        result.layers.push_back(describe(model, layer, result.steps, totals));
    }
    return result;
}

}  // namespace

Result<LayerTimes> time_layers(const Model& model, const Graph& graph,
                               std::span<const float> images, std::span<const std::int64_t> shape,
                               double seconds) {
    Result<Session> session = Session::create(model, {1, false, true});
    if (!session.ok()) {
        return session.status();
    }
    const std::vector<StepInfo> infos = model.steps();
    Result<std::vector<Layer>> found = find_layers(model, graph, infos);
    if (!found.ok()) {
        return found.status();
    }
    std::vector<Layer>& layers = found.value();
    std::vector<std::int64_t> in = {1}, out;
    in.insert(in.end(), shape.begin(), shape.end());
    std::size_t in_count = 1, out_count = 1;
    for (const std::int64_t extent : shape) {
        in_count *= static_cast<std::size_t>(extent);
    }
    for (const Dimension& extent : model.outputs()[0].shape) {
        out.push_back(out.empty() ? 1 : extent.size);
        out_count *= static_cast<std::size_t>(out.back());
    }
    std::vector<float> scores(out_count);
    const std::size_t count = images.size() / in_count;
    Totals totals(infos.size(), model.gates().size(), count);
    const auto start = Clock::now();
    for (int round = 0;
         round < least_layer_rounds || layer_milliseconds_since(start) < seconds * 1000; ++round) {
        for (std::size_t image = 0; image < count; ++image) {
            const TensorView input{images.data() + image * in_count, in};
            const MutableTensorView output{scores.data(), out};
            SLUICE_RETURN_IF_ERROR(session->run(std::span(&input, 1), std::span(&output, 1)));
            totals.add(session.value(), image);
            for (Layer& layer : layers) {
                const auto begin = Clock::now();
                layer.dense->run();
                layer.dense_ms.push_back(layer_milliseconds_since(begin));
            }
        }
    }
    return conclude(model, infos, layers, totals);
}

}  // namespace sluice::benchmark
