#include <catch2/catch.hpp>

#include <filesystem>
#include <random>

#include "autotune/kernel_job.h"
#include "autotune/space.h"

using namespace sluice;
using namespace sluice::autotune;

/// Kernels of quantised layers as they are compiled and judged.
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t channels = 16, side = 9;

ValueId add_value(Graph& graph, const Shape& shape, bool is_quantised) {
    Value value;
    value.name = "value" + std::to_string(graph.values.size());
    value.shape = shape;
    value.shape_known = true;
    if (is_quantised) {
        value.type = ElementType::uint8;
        value.quantization = Quantization{0.05F, 97};
    }
    return graph.add_value(std::move(value));
}

/// A layer of 3x3 windows with a gate per position, from bytes to bytes.
Graph make_graph(std::int64_t outputs, bool is_staged) {
    std::mt19937 random(3);
    Graph graph;
    graph.file = "layer";
    Node node{};
    node.op = Op::fused_conv;
    node.name = "layer";
    FusedConv conv;
    const Shape shape = {outputs, channels, 3, 3};
    std::vector<std::int8_t> weights(std::size_t(element_count(shape)));
    std::generate(weights.begin(), weights.end(),
                  [&] { return std::int8_t(int(random() % 255) - 127); });
    conv.weights = std::make_shared<Constant>(Constant{shape, Int8s(std::move(weights))});
    conv.weight_scale.assign(std::size_t(outputs), 0.001F);
    conv.bias.assign(std::size_t(outputs), 0.1F);
    conv.scale.assign(std::size_t(outputs), 1);
    conv.shift.assign(std::size_t(outputs), 0.2F);
    std::fill_n(conv.pads, 4, 1);
    conv.gate = GateForm::position;
    if (is_staged) {
        conv.after_act = Quantization{0.04F, 128};
    }
    node.fused_conv = std::move(conv);
    graph.inputs = {add_value(graph, {1, channels, side, side}, true),
                    add_value(graph, {1, 1, side, side}, false)};
    node.inputs = {graph.inputs[0], graph.inputs[1], no_value};
    node.outputs = {add_value(graph, {1, outputs, side, side}, true)};
    graph.outputs = node.outputs;
    graph.nodes.push_back(std::move(node));
    return graph;
}

/// All positions, and every third.
std::vector<Load> make_loads() {
    std::vector<Load> loads;
    for (const std::size_t step : {1, 3}) {
        Gate gate(std::size_t(side * side));
        Load load;
        for (std::size_t i = 0; i < gate.size(); i += step) {
            gate[i] = 0.5F + 0.01F * float(i);
            ++load.entries;
        }
        load.outputs = load.entries;
        load.gates = {std::make_shared<const Gate>(std::move(gate))};
        loads.push_back(std::move(load));
    }
    return loads;
}

/// The best of this CPU whose int8 kernels have numbers to search for: one whose base has a base
/// itself has products of matrices, which have none.
const Target& tuned_target() {
    const auto best = choose_target("");
    REQUIRE(best.ok());
    const Target* base = base_of(*best.value());
    return base != nullptr && base_of(*base) != nullptr ? *base : *best.value();
}

struct Folder {
    fs::path path;
    Folder() {
        std::string name = (fs::temp_directory_path() / "sluice-autotune-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Folder() { fs::remove_all(path); }
};

}  // namespace

TEST_CASE("products of matrices are not searched for") {
    const auto best = choose_target("");
    REQUIRE(best.ok());
    const auto catalogue = read_catalogue(SLUICE_SOURCE, *best.value());
    REQUIRE(catalogue.ok());
    int bytes = 0;
    for (const auto& [name, row] : catalogue.value().kernels) {
        INFO(name);
        if (const auto* info = std::get_if<Int8Info>(&row.built->info)) {
            CHECK(info->depth == 0);
            ++bytes;
        }
    }
    CHECK(bytes > 0);
}

TEST_CASE("schedules of int8 kernels, compiled in process, give the plan's answers") {
    const Target& target = tuned_target();
    const auto catalogue = read_catalogue(SLUICE_SOURCE, target);
    REQUIRE(catalogue.ok());
    for (const bool is_staged : {false, true}) {
        for (const std::int64_t outputs : {16, 64}) {
            const auto graph = std::make_shared<const Graph>(make_graph(outputs, is_staged));
            const Node& node = graph->nodes[0];
            const auto built = alternative(*graph, node, target, WayId::int8);
            REQUIRE(built);
            const Kernel& kernel = built->kernel();
            INFO(kernel.name);
            CHECK(kernel.target == std::string(target.id));
            const Layer layer{&kernel,
                              without_target(kernel.name),
                              built->call().shape,
                              graph,
                              &node,
                              &target,
                              WayId::int8,
                              outputs,
                              make_loads(),
                              {1}};
            const Folder folder;
            const fs::path tuned = fs::path(SLUICE_TUNED) / (std::string(kernel.target) + ".json");
            const TuneSettings settings{
                "test", 2, 60, {{kernel.target, {folder.path / "t.json", tuned}}}, folder.path};
            const auto table = TunedTable::read(tuned);
            REQUIRE(table.ok());
            KernelJob job(layer.name, {&layer}, catalogue.value(), table.value(), settings);
            // As wide as it is, so that it serves the same layers still.
            CHECK(job.space().channels == kernel.block());
            std::vector<Numbers> candidates = {job.present()};
            candidates.push_back({{"pixels", 9}, {"tail", 4}, {"unroll", 1}, {"vectors", 1}});
            CHECK(fits(job.space(), candidates.back()));
            std::map<Numbers, std::string> problems;
            REQUIRE(job.compile(candidates, problems).ok());
            CHECK(problems.empty());
            job.load();
            for (const Numbers& numbers : candidates) {
                INFO(to_text(numbers));
                const auto verdict = job.judge(numbers, {1, 20});
                REQUIRE(verdict.ok());
                CHECK(verdict->problem == "");
            }
        }
    }
}

TEST_CASE("tiles of int8 depthwise layers fit registers with all rows of their outputs") {
    const Space space{"int8_depthwise", 32, 16, 0, 96, 0, 0, 4};
    const std::vector<Numbers> seeds =
        make_seeds(space, {{"pixels", 4}, {"rows", 1}, {"vectors", 1}});
    CHECK(!seeds.empty());
    for (const Numbers& n : seeds) {
        INFO(to_text(n));
        CHECK(4 * n.at("pixels") * n.at("vectors") + n.at("vectors") + 1 <= space.registers);
    }
}
