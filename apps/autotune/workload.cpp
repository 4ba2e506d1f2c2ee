#include "autotune/workload.h"

#include <fnmatch.h>

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>
#include <random>
#include <span>
#include <utility>

#include "autotune/pairs.h"
#include "autotune/winograd_step.h"
#include "benchmark/inputs.h"
#include "passes/load_graph.h"
#include "plan/plan.h"
#include "sluice/session.h"

namespace sluice::autotune {
namespace {

/// The open positions of each gated node, by its name: a list for each picture and group.
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
        lists[gate.layer].push_back(std::move(list));
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
std::vector<List> draw_lists(const GateInfo& gate, std::mt19937& random) {
    std::vector<std::int64_t> gates(static_cast<std::size_t>(gate.height * gate.width));
    std::iota(gates.begin(), gates.end(), 0);
    std::vector<List> lists;
    for (const double density : drawn_densities) {
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

/// What the gates of a layer let through on one picture.
struct Opened {
    List outputs;
    List inputs = {};  ///< sparse_conv: what the gate of the layer before does
};

Load make_load(const Step& step, Opened opened) {
    const std::vector<Axis>& output = std::get<Buffer>(step.arguments.back()).axes;
    const bool is_winograd = step.kernel->algorithm == Algorithm::winograd_conv;
    const int side = is_winograd ? step.kernel->as<WinogradInfo>().side : 0;
    const TiledMap map{output[2].extent, output[1].extent, side};
    const auto share = [](std::int64_t part, std::int64_t all) {
        return static_cast<double>(part) / static_cast<double>(all);
    };
    const std::int64_t positions = map.height * map.width;
    const auto open = static_cast<std::int64_t>(opened.outputs.size());
    if (step.kernel->algorithm == Algorithm::sparse_conv) {
        const Pairs pairs = list_pairs(opened.inputs, opened.outputs, map.width);
        const std::int64_t count = count_pairs(pairs);
        return {share(count, positions * static_cast<std::int64_t>(pairs.size())),
                std::move(opened.outputs), count, std::move(opened.inputs)};
    }
    if (!is_winograd) {
        return {share(open, positions), std::move(opened.outputs), open};
    }
    List tiles = tiles_of(opened.outputs, map);
    const auto count = static_cast<std::int64_t>(tiles.size());
    return {share(count, static_cast<std::int64_t>(all_tiles(map).size())), std::move(tiles), open};
}

/// The lists a layer is timed on: the sextiles' outer and middle ones of those that occur.
std::vector<Load> choose_loads(const Step& step, std::vector<Opened> seen) {
    if (step.list.argument < 0) {
        return {{1, {}}};
    }
    const Buffer& output = std::get<Buffer>(step.arguments.back());
    const std::int64_t width = output.axes[1].extent, height = output.axes[2].extent;
    if (step.list.static_count >= 0) {
        return {make_load(step, {all_positions(height, width)})};
    }
    if (seen.empty()) {  // no picture opens any
        std::mt19937 random(seed);
        const GateInfo gate{{}, 1, height, width};
        const std::vector<List> outputs = draw_lists(gate, random);
        const std::vector<List> inputs = draw_lists(gate, random);
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            seen.push_back({outputs[i], inputs[i]});
        }
    }
    std::vector<Load> all;
    for (Opened& opened : seen) {
        // The last squares of a gate each may reach beyond the map.
        for (List* list : {&opened.outputs, &opened.inputs}) {
            std::erase_if(*list, [&](std::uint32_t at) {
                return (at >> 16) >= height || (at & 0xffff) >= width;
            });
        }
        all.push_back(make_load(step, std::move(opened)));
    }
    std::sort(all.begin(), all.end(), [](const Load& a, const Load& b) { return a.open > b.open; });
    std::vector<Load> loads;
    for (const std::size_t sixth : {1, 3, 5}) {
        loads.push_back(all[std::min(sixth * all.size() / 6, all.size() - 1)]);
    }
    return loads;
}

/// The workload while it is collected.
struct Collection {
    Workload workload;
    std::vector<std::vector<Opened>> seen = {};  ///< a layer each
};

struct Network {
    std::size_t index, of;
    std::size_t bytes;  ///< of its constants as it runs, roughly; 0 where they stay in the caches
};

/// Counts a step of a network, whose gates opened `seen`.
void add_step(Collection& to, const Step& step, const Network& network,
              const std::vector<Opened>& seen) {
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
    std::vector<Opened>& of_layer = to.seen[static_cast<std::size_t>(at - layers.begin())];
    of_layer.insert(of_layer.end(), seen.begin(), seen.end());
}

/// The node that computes what a node reads first; "" where none does.
std::string node_before(const Graph& graph, const std::string& name) {
    const auto node = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                   [&](const Node& n) { return n.name == name; });
    for (const Node& before : graph.nodes) {
        if (node != graph.nodes.end() && before.outputs[0] == node->inputs[0]) {
            return before.name;
        }
    }
    return {};
}

/// What a step's gates opened, wherever they opened any output.
std::vector<Opened> opened_by(const Step& step, const Graph& graph, const Lists& lists) {
    const auto of = [&](const std::string& node) {
        const auto found = lists.find(node);
        return found == lists.end() ? std::vector<List>() : found->second;
    };
    const std::vector<List> outputs = of(step.node);
    std::vector<List> inputs(outputs.size());
    if (step.kernel->algorithm == Algorithm::sparse_conv) {
        inputs = of(node_before(graph, step.node));
    }
    std::vector<Opened> opened;
    for (std::size_t i = 0; i < std::min(outputs.size(), inputs.size()); ++i) {
        if (!outputs[i].empty()) {
            opened.push_back({outputs[i], inputs[i]});
        }
    }
    return opened;
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
        const auto graph = load_graph(models[m]);
        if (!graph.ok()) {
            return graph.status();
        }
        // Of the steps without Winograd those with it follow.
        const auto plan = make_plan(graph.value(), target, {false});
        const auto runs = make_plan(graph.value(), target, {});
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
            std::mt19937 random(seed);
            for (const GateInfo& gate : plan.value()->gates) {
                lists[gate.layer] = draw_lists(gate, random);
            }
        }
        for (const Step& step : plan.value()->steps) {
            if (!catalogue.kernels.contains(without_target(step.kernel->name))) {
                continue;
            }
            const std::vector<Opened> opened = opened_by(step, graph.value(), lists);
            add_step(collection, step, network, opened);
            if (const std::optional<Step> winograd = winograd_step(step, target)) {
                add_step(collection, *winograd, network, opened);
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
