#include "autotune/workload.h"

#include <fnmatch.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "autotune/recorded_gates.h"
#include "passes/load_graph.h"

namespace sluice::autotune {
namespace {

/// What a processor's caches hold of one program's while others run beside it.
constexpr std::size_t cache_bytes = std::size_t{16} << 20;
constexpr unsigned seed = 1;

/// Of each gate that a layer reads, what it lets through on one image.
using Seen = std::vector<std::shared_ptr<const Gate>>;

/// Whether the kernel computes all outputs, whatever a gate says.
bool computes_all(const Step& call) {
    return call.list.argument < 0 || call.list.static_count >= 0;
}

Load load_of(apps::LayerRun& run, const Seen& seen) {
    std::vector<const Gate*> gates;
    std::transform(seen.begin(), seen.end(), std::back_inserter(gates),
                   [](const auto& gate) { return gate.get(); });
    run.set_gates(gates);
    run.prepare();
    Load load{seen, 1, run.macs(), run.entries(), run.outputs()};
    if (!computes_all(run.layer().call())) {
        const double all = static_cast<double>(run.layer().plan->gates.back().macs);
        load.density = static_cast<double>(load.macs) * run.layer().calls() / all;
    }
    return load;
}

/// What a layer is timed on: the sextiles' outer and middle ones of the gates that occur.
std::vector<Load> choose_loads(Alternative layer, std::vector<Seen> seen) {
    if (computes_all(layer.call())) {
        apps::LayerRun run(std::move(layer), seed);
        return {load_of(run, {})};
    }
    const Gates drawn = draw_gates(layer.plan->gates);
    apps::LayerRun run(std::move(layer), seed);
    std::vector<Load> all;
    const auto add = [&](const Seen& gates) {
        Load load = load_of(run, gates);
        if (load.outputs > 0) {
            all.push_back(std::move(load));
        }
    };
    std::for_each(seen.begin(), seen.end(), add);
    for (std::size_t i = 0; all.empty() && i < drawn.begin()->second.size(); ++i) {
        Seen gates;
        for (const std::string& node : run.layer().gated) {
            if (!node.empty()) {
                gates.push_back(drawn.at(node)[i]);
            }
        }
        add(gates);
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const Load& a, const Load& b) { return a.outputs > b.outputs; });
    std::vector<Load> loads;
    for (const std::size_t sixth : {1, 3, 5}) {
        loads.push_back(all[std::min(sixth * all.size() / 6, all.size() - 1)]);
    }
    return loads;
}

/// The workload while it is collected.
struct Collection {
    Workload workload;
    std::vector<std::vector<Seen>> seen = {};  ///< a layer each
};

struct Network {
    std::shared_ptr<const Graph> graph;
    std::size_t index, of;
    std::size_t bytes;  ///< of its constants as it runs, roughly; 0 where they stay in the caches
};

/// What the gates of a layer let through, image by image; empty where one of them is not known.
std::vector<Seen> seen_by(const Alternative& layer, const Gates& gates) {
    std::vector<Seen> seen;
    for (const std::string& node : layer.gated) {
        if (node.empty()) {
            continue;
        }
        const auto found = gates.find(node);
        if (found == gates.end()) {
            return {};
        }
        seen.resize(found->second.size());
        for (std::size_t image = 0; image < seen.size(); ++image) {
            seen[image].push_back(found->second[image]);
        }
    }
    return seen;
}

bool have_equal_sizes(const Seen& a, const Seen& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const auto& x, const auto& y) { return x->size() == y->size(); });
}

/// Counts a layer of a network, whose gates let `seen` through.
void add_layer(Collection& to, const Alternative& layer, const Node& node, const Target& target,
               const Network& network, const std::vector<Seen>& seen) {
    std::vector<Layer>& layers = to.workload.layers;
    const Step& call = layer.call();
    std::size_t at = 0;
    // A gate per tile and one per position may stand on layers of the same shape.
    while (
        at < layers.size() &&
        (layers[at].kernel != call.kernel || layers[at].shape != call.shape ||
         (!seen.empty() && !to.seen[at].empty() && !have_equal_sizes(to.seen[at][0], seen[0])))) {
        ++at;
    }
    if (at == layers.size()) {
        Layer added{call.kernel, without_target(call.kernel->name),
                    call.shape,  network.graph,
                    &node,       &target,
                    layer.way,   apps::output_of(call).axes[0].extent,
                    {},          std::vector<int>(network.of)};
        layers.push_back(std::move(added));
        to.seen.emplace_back();
    }
    layers[at].uses[network.index] += layer.calls();
    layers[at].network_bytes = std::max(layers[at].network_bytes, network.bytes);
    to.seen[at].insert(to.seen[at].end(), seen.begin(), seen.end());
}

/// Adds a network's layers. Returns where the densities of its gates come from.
Result<std::string> add_network(Collection& to, const std::filesystem::path& path, Network network,
                                const Target& target, const Catalogue& catalogue,
                                const std::optional<std::filesystem::path>& data) {
    auto graph = load_graph(path);
    if (!graph.ok()) {
        return graph.status();
    }
    network.graph = std::make_shared<const Graph>(std::move(graph).value());
    Gates gates;
    {
        const auto plan = make_plan(*network.graph, target);
        if (!plan.ok()) {
            return plan.status();
        }
        const std::size_t bytes = plan.value()->constants.size();
        network.bytes = bytes > cache_bytes ? std::bit_ceil(bytes) : 0;
        gates = data ? Gates() : draw_gates(plan.value()->gates);
    }
    Result<std::string> source =
        data ? record_gates(path, target, *data, gates) : Result<std::string>("");
    if (!source.ok()) {
        return source;
    }
    for (const Node& node : network.graph->nodes) {
        for (const Alternative& layer : alternatives(*network.graph, node, target)) {
            if (catalogue.kernels.contains(without_target(layer.kernel().name))) {
                add_layer(to, layer, node, target, network, seen_by(layer, gates));
            }
        }
    }
    return source;
}

}  // namespace

std::string without_target(const std::string& kernel_name) {
    return kernel_name.substr(0, kernel_name.rfind("__"));
}

Status keep_kernels(Workload& workload, const std::vector<std::string>& patterns) {
    const auto matches = [](const std::string& pattern, const Layer& layer) {
        return ::fnmatch(pattern.c_str(), layer.name.c_str(), 0) == 0;
    };
    std::vector<Layer>& layers = workload.layers;
    for (const std::string& pattern : patterns) {
        if (std::none_of(layers.begin(), layers.end(),
                         [&](const Layer& layer) { return matches(pattern, layer); })) {
            return Status::error(
                "no kernel of these networks matches '" + pattern + "'",
                layers.empty() ? "they have none that is tuned" : "there is " + layers[0].name);
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
        channels = std::gcd(channels, layer->outputs);
    }
    return static_cast<int>(channels);
}

Result<Workload> find_workload(const std::vector<std::filesystem::path>& models,
                               const Target& target, const Catalogue& catalogue,
                               const std::optional<std::filesystem::path>& data) {
    Collection collection;
    Workload& workload = collection.workload;
    for (std::size_t m = 0; m < models.size(); ++m) {
        const auto source = add_network(collection, models[m], {nullptr, m, models.size(), 0},
                                        target, catalogue, data);
        if (!source.ok()) {
            return source.status();
        }
        workload.densities += (m ? "; " : "") + source.value();
    }
    if (!data) {
        workload.densities = "drawn at 1, 0.5 and 0.2, as no images are given";
    }
    for (std::size_t i = 0; i < collection.seen.size(); ++i) {
        Layer& layer = workload.layers[i];
        layer.loads = choose_loads(*layer.plan(), std::move(collection.seen[i]));
    }
    return workload;
}

}  // namespace sluice::autotune
