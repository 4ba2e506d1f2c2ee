#include "autotune/workload.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <span>
#include <utility>

#include "benchmark/inputs.h"
#include "onnx/reader.h"
#include "passes/fold_constants.h"
#include "passes/passes.h"
#include "plan/plan.h"
#include "sluice/session.h"

namespace sluice::autotune {
namespace {

using List = std::vector<std::uint32_t>;
/// The lists of each gated node, by its name: one a picture and group.
using Lists = std::map<std::string, std::vector<List>>;

constexpr double drawn_densities[] = {1.0, 0.5, 0.2};
constexpr unsigned seed = 1;

Result<std::shared_ptr<const Plan>> read_plan(const std::filesystem::path& path,
                                              const Target& target) {
    auto graph = read_onnx(path);
    if (!graph.ok()) {
        return graph.status();
    }
    SLUICE_RETURN_IF_ERROR(fold_constants(graph.value()).in_file(path.string()));
    SLUICE_RETURN_IF_ERROR(optimise(graph.value()).in_file(path.string()));
    return make_plan(std::move(graph).value(), target);
}

std::uint32_t position(std::int64_t index, std::int64_t width) {
    return static_cast<std::uint32_t>(index / width) << 16 |
           static_cast<std::uint32_t>(index % width);
}

void add_lists(const GateInfo& gate, std::span<const float> values, Lists& lists) {
    const std::int64_t size = gate.height * gate.width;
    for (std::int64_t group = 0; group < gate.groups; ++group) {
        List list;
        for (std::int64_t i = 0; i < size; ++i) {
            if (values[static_cast<std::size_t>(group * size + i)] != 0) {
                list.push_back(position(i, gate.width));
            }
        }
        if (!list.empty()) {
            lists[gate.layer].push_back(std::move(list));
        }
    }
}

/// Runs the network on pictures and keeps what its gates let through. Returns what it ran on.
Result<std::string> record_lists(const std::filesystem::path& path, const Target& target,
                                 const std::filesystem::path& data, Lists& lists) {
    const Result<Model> model = Model::load(path, {target.id});
    if (!model.ok()) {
        return model.status();
    }
    Result<benchmark::Inputs> inputs = benchmark::make_inputs(model.value(), data, 1);
    if (!inputs.ok()) {
        return Status(inputs.status()).in_file(path.string());
    }
    Result<Session> session = Session::create(model.value(), {1, true});
    if (!session.ok()) {
        return session.status();
    }
    std::vector<std::int64_t> shape = inputs->shape, scores_shape = {1};
    shape.insert(shape.begin(), 1);
    const std::vector<Dimension>& scores = model->outputs()[0].shape;
    for (std::size_t axis = 1; axis < scores.size(); ++axis) {
        scores_shape.push_back(scores[axis].size);
    }
    std::vector<float> output(static_cast<std::size_t>(std::accumulate(
        scores_shape.begin(), scores_shape.end(), std::int64_t{1}, std::multiplies<>())));
    const std::size_t each = inputs->values.size() / static_cast<std::size_t>(inputs->pictures);
    for (std::int64_t i = 0; i < inputs->pictures; ++i) {
        const TensorView in{inputs->values.data() + static_cast<std::size_t>(i) * each, shape};
        const MutableTensorView out{output.data(), scores_shape};
        SLUICE_RETURN_IF_ERROR(session->run({&in, 1}, {&out, 1}));
        for (std::size_t gate = 0; gate < model->gates().size(); ++gate) {
            if (model->gates()[gate].skips) {
                add_lists(model->gates()[gate], session->gates()[gate].values, lists);
            }
        }
    }
    if (inputs->source != "pictures") {
        return "of " + inputs->source + " values";
    }
    const std::filesystem::path folder = data.filename().empty() ? data.parent_path() : data;
    return "of the pictures in " + folder.filename().string();
}

List draw_list(std::int64_t height, std::int64_t width, double density) {
    std::mt19937 random(seed);
    const auto count =
        std::max<std::int64_t>(1, std::llround(density * static_cast<double>(height * width)));
    List all(static_cast<std::size_t>(height * width)), list;
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i] = position(static_cast<std::int64_t>(i), width);
    }
    std::sample(all.begin(), all.end(), std::back_inserter(list), count, random);
    return list;
}

/// The lists a layer is timed on: the sextiles' outer and middle ones of those that occur.
std::vector<Load> choose_loads(const Step& step, std::vector<List> seen) {
    if (step.list.argument < 0) {
        return {{1, {}}};
    }
    const Buffer& output = std::get<Buffer>(step.arguments.back());
    const std::int64_t width = output.axes[1].extent, height = output.axes[2].extent;
    std::vector<List> lists;
    if (step.list.static_count >= 0) {
        lists.push_back(draw_list(height, width, 1));
    } else if (seen.empty()) {
        for (const double density : drawn_densities) {
            lists.push_back(draw_list(height, width, density));
        }
    } else {
        std::sort(seen.begin(), seen.end(),
                  [](const List& a, const List& b) { return a.size() > b.size(); });
        for (const std::size_t sixth : {1, 3, 5}) {
            lists.push_back(seen[std::min(sixth * seen.size() / 6, seen.size() - 1)]);
        }
    }
    std::vector<Load> loads;
    for (List& list : lists) {
        const double density =
            static_cast<double>(list.size()) / static_cast<double>(height * width);
        loads.push_back({density, std::move(list)});
    }
    return loads;
}

}  // namespace

std::string without_target(const std::string& kernel_name) {
    return kernel_name.substr(0, kernel_name.rfind("__"));
}

int common_channels(const std::vector<const Layer*>& layers) {
    std::int64_t channels = 0;
    for (const Layer* layer : layers) {
        channels = std::gcd(channels, std::get<Buffer>(layer->step.arguments.back()).axes[0].extent);
    }
    return static_cast<int>(channels);
}

Result<Workload> find_workload(const std::vector<std::filesystem::path>& models,
                               const Target& target, const Catalogue& catalogue,
                               const std::optional<std::filesystem::path>& data) {
    Workload workload;
    std::vector<std::vector<List>> seen;  // a layer each
    for (std::size_t m = 0; m < models.size(); ++m) {
        const auto plan = read_plan(models[m], target);
        if (!plan.ok()) {
            return plan.status();
        }
        Lists lists;
        if (data) {
            const Result<std::string> source = record_lists(models[m], target, *data, lists);
            if (!source.ok()) {
                return source.status();
            }
            workload.densities += m ? "; " : "";
            workload.densities += source.value();
        }
        for (const Step& step : plan.value()->steps) {
            const std::string kernel = step.kernel ? without_target(step.kernel->name) : "";
            if (!catalogue.kernels.contains(kernel)) {
                continue;
            }
            auto at = std::find_if(workload.layers.begin(), workload.layers.end(),
                                   [&](const Layer& layer) {
                                       return layer.kernel == kernel && layer.shape == step.shape;
                                   });
            if (at == workload.layers.end()) {
                workload.layers.push_back(
                    {kernel, step.shape, step, {}, std::vector<int>(models.size())});
                seen.emplace_back();
                at = workload.layers.end() - 1;
            }
            ++at->uses[m];
            std::vector<List>& of_layer =
                seen[static_cast<std::size_t>(at - workload.layers.begin())];
            of_layer.insert(of_layer.end(), lists[step.node].begin(), lists[step.node].end());
        }
    }
    if (!data) {
        workload.densities = "drawn at 1, 0.5 and 0.2, as no pictures are given";
    }
    for (std::size_t i = 0; i < seen.size(); ++i) {
        workload.layers[i].loads = choose_loads(workload.layers[i].step, std::move(seen[i]));
    }
    return workload;
}

}  // namespace sluice::autotune
