#include "autotune/workload.h"

#include <fnmatch.h>

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>
#include <random>
#include <span>
#include <utility>

#include "autotune/winograd_step.h"
#include "benchmark/inputs.h"
#include "passes/load_graph.h"
#include "plan/plan.h"
#include "sluice/session.h"

namespace sluice::autotune {
namespace {

/// The lists of each gated node, by its name: one a picture and group.
using Lists = std::map<std::string, std::vector<List>>;

constexpr double drawn_densities[] = {1.0, 0.5, 0.2};
constexpr unsigned seed = 1;
/// What a processor's caches hold of one program's while others run beside it.
constexpr std::size_t cache_bytes = std::size_t{16} << 20;

std::uint32_t position(std::int64_t index, std::int64_t width) {
    return static_cast<std::uint32_t>(index / width) << 16 |
           static_cast<std::uint32_t>(index % width);
}

/// The positions that a gate governs, where there is one for a square of them.
void add_positions(const GateInfo& gate, std::int64_t index, List& list) {
    const std::int64_t y = index / gate.width * gate.grid, x = index % gate.width * gate.grid;
    for (std::int64_t i = 0; i < gate.grid * gate.grid; ++i) {
        list.push_back(static_cast<std::uint32_t>((y + i / gate.grid) << 16 | (x + i % gate.grid)));
    }
}

void add_lists(const GateInfo& gate, std::span<const float> values, Lists& lists) {
    const std::int64_t size = gate.height * gate.width;
    for (std::int64_t group = 0; group < gate.groups; ++group) {
        List list;
        for (std::int64_t i = 0; i < size; ++i) {
            if (values[static_cast<std::size_t>(group * size + i)] != 0) {
                add_positions(gate, i, list);
            }
        }
        std::sort(list.begin(), list.end());  // as a scan of the expanded map gives them
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

List all_positions(std::int64_t height, std::int64_t width) {
    List all(static_cast<std::size_t>(height * width));
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i] = position(static_cast<std::int64_t>(i), width);
    }
    return all;
}

/// The positions of gates of which shares are open, at least one.
std::vector<List> draw_lists(const GateInfo& gate) {
    std::vector<std::int64_t> gates(static_cast<std::size_t>(gate.height * gate.width));
    std::iota(gates.begin(), gates.end(), 0);
    std::vector<List> lists;
    for (const double density : drawn_densities) {
        std::mt19937 random(seed);
        const double count = std::max(1.0, std::round(density * static_cast<double>(gates.size())));
        std::vector<std::int64_t> open;
        std::sample(gates.begin(), gates.end(), std::back_inserter(open),
                    static_cast<std::int64_t>(count), random);
        List list;
        for (const std::int64_t index : open) {
            add_positions(gate, index, list);
        }
        std::sort(list.begin(), list.end());
        lists.push_back(std::move(list));
    }
    return lists;
}

/// The lists a layer is timed on: the sextiles' outer and middle ones of those that occur.
std::vector<Load> choose_loads(const Step& step, std::vector<List> seen) {
    if (step.list.argument < 0) {
        return {{1, {}}};
    }
    const Buffer& output = std::get<Buffer>(step.arguments.back());
    const std::int64_t width = output.axes[1].extent, height = output.axes[2].extent;
    const bool in_tiles = is_winograd(step.kernel->family);
    const TiledMap map{height, width, step.kernel->side};
    const List all = in_tiles ? all_tiles(map) : all_positions(height, width);
    std::vector<Load> loads;
    const auto add = [&](List list, std::int64_t open) {
        const double density = static_cast<double>(list.size()) / static_cast<double>(all.size());
        loads.push_back({density, std::move(list), open});
    };
    if (step.list.static_count >= 0) {
        add(all, height * width);
    } else {
        if (seen.empty()) {  // no picture opens any
            seen = draw_lists({{}, 1, height, width});
        }
        for (List& list : seen) {
            // The last squares of a gate each may reach beyond the map.
            std::erase_if(list, [&](std::uint32_t at) {
                return (at >> 16) >= height || (at & 0xffff) >= width;
            });
        }
        std::sort(seen.begin(), seen.end(),
                  [](const List& a, const List& b) { return a.size() > b.size(); });
        for (const std::size_t sixth : {1, 3, 5}) {
            const List& list = seen[std::min(sixth * seen.size() / 6, seen.size() - 1)];
            add(in_tiles ? tiles_of(list, map) : list, static_cast<std::int64_t>(list.size()));
        }
    }
    return loads;
}

/// The workload while it is collected.
struct Collection {
    Workload workload;
    std::vector<std::vector<List>> seen = {};  ///< a layer each
};

struct Network {
    std::size_t index, of;
    std::size_t bytes;  ///< of its constants as it runs, roughly; 0 where they stay in the caches
};

/// Counts a step of a network, whose gate gave `lists`.
void add_step(Collection& to, const Step& step, const Network& network,
              const std::vector<List>& lists) {
    const std::string kernel = without_target(step.kernel->name);
    std::vector<Layer>& layers = to.workload.layers;
    auto at = std::find_if(layers.begin(), layers.end(), [&](const Layer& layer) {
        return layer.kernel == kernel && layer.shape == step.shape;
    });
    if (at == layers.end()) {
        layers.push_back({kernel, step.shape, step, {}, std::vector<int>(network.of)});
        to.seen.emplace_back();
        at = layers.end() - 1;
    }
    ++at->uses[network.index];
    at->network_bytes = std::max(at->network_bytes, network.bytes);
    std::vector<List>& of_layer = to.seen[static_cast<std::size_t>(at - layers.begin())];
    of_layer.insert(of_layer.end(), lists.begin(), lists.end());
}

}  // namespace

std::string without_target(const std::string& kernel_name) {
    return kernel_name.substr(0, kernel_name.rfind("__"));
}

Status keep_kernels(Workload& workload, const std::vector<std::string>& patterns) {
    const auto matches = [](const std::string& pattern, const Layer& layer) {
        return ::fnmatch(pattern.c_str(), layer.kernel.c_str(), 0) == 0;
    };
    std::vector<Layer>& layers = workload.layers;
    for (const std::string& pattern : patterns) {
        if (std::none_of(layers.begin(), layers.end(),
                         [&](const Layer& layer) { return matches(pattern, layer); })) {
            return Status::error(
                "no kernel of these networks matches '" + pattern + "'",
                layers.empty() ? "they have none that is tuned" : "there is " + layers[0].kernel);
        }
    }
    std::erase_if(layers, [&](const Layer& layer) {
        return !patterns.empty() &&
               std::none_of(patterns.begin(), patterns.end(),
                            [&](const std::string& pattern) { return matches(pattern, layer); });
    });
    return {};
}

int common_channels(const std::vector<const Layer*>& layers) {
    std::int64_t channels = 0;
    for (const Layer* layer : layers) {
        channels =
            std::gcd(channels, std::get<Buffer>(layer->step.arguments.back()).axes[0].extent);
    }
    return static_cast<int>(channels);
}

Result<Workload> find_workload(const std::vector<std::filesystem::path>& models,
                               const Target& target, const Catalogue& catalogue,
                               const std::optional<std::filesystem::path>& data) {
    Collection collection;
    Workload& workload = collection.workload;
    for (std::size_t m = 0; m < models.size(); ++m) {
        auto graph = load_graph(models[m]);
        if (!graph.ok()) {
            return graph.status();
        }
        // Of the steps without Winograd those with it follow.
        const auto plan = make_plan(graph.value(), target, {false});
        const auto runs = make_plan(std::move(graph).value(), target, {});
        if (!plan.ok() || !runs.ok()) {
            return plan.ok() ? runs.status() : plan.status();
        }
        const std::size_t bytes = runs.value()->constants.size();
        const Network network{m, models.size(), bytes > cache_bytes ? std::bit_ceil(bytes) : 0};
        Lists lists;
        if (data) {
            const Result<std::string> source = record_lists(models[m], target, *data, lists);
            if (!source.ok()) {
                return source.status();
            }
            workload.densities += m ? "; " : "";
            workload.densities += source.value();
        } else {
            for (const GateInfo& gate : plan.value()->gates) {
                lists[gate.layer] = draw_lists(gate);
            }
        }
        for (const Step& step : plan.value()->steps) {
            if (!catalogue.kernels.contains(without_target(step.kernel->name))) {
                continue;
            }
            add_step(collection, step, network, lists[step.node]);
            if (const std::optional<Step> winograd = winograd_step(step, target)) {
                add_step(collection, *winograd, network, lists[step.node]);
            }
        }
    }
    if (!data) {
        workload.densities = "drawn at 1, 0.5 and 0.2, as no pictures are given";
    }
    for (std::size_t i = 0; i < collection.seen.size(); ++i) {
        Layer& layer = workload.layers[i];
        layer.loads = choose_loads(layer.step, std::move(collection.seen[i]));
    }
    return workload;
}

}  // namespace sluice::autotune
