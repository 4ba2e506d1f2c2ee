#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>
#include <set>

#include "plan/alternatives.h"
#include "plan/plan_of.h"
#include "reference/operators.h"
#include "session/runner.h"

using namespace sluice;
using namespace sluice::plan_test;
using reference::Tensor;

/// Single layers, planned in each way that computes them, against the scalar reference.
namespace {

struct LayerForm {
    std::int64_t channels = 16, outputs = 16, height = 12, width = 9, kernel = 3, stride = 1;
    GateForm gate = GateForm::none;
    std::int64_t maps = 1;  ///< of the gate
    std::int64_t grid = 1;
    bool residual = false;
    std::int64_t groups = 1, dilation = 1;
    bool scaled = false;   ///< as with a gate
    bool clamped = false;  ///< before the scale
};

/// Layers after each other, with inputs of random values.
class Network {
public:
    explicit Network(unsigned seed) : random_(seed) {
        graph.file = "layers";
        x_ = input({1, 16, 1, 1});
    }

    /// The first layer's input comes from a node, as in a network.
    void add(const LayerForm& form) {
        const std::int64_t y = (form.height - 1) / form.stride + 1;
        const std::int64_t x = (form.width - 1) / form.stride + 1;
        if (graph.nodes.empty()) {
            graph.values[std::size_t(x_)].shape = {1, form.channels, form.height, form.width};
            Node before{};
            before.op = Op::identity;
            before.name = "before";
            before.inputs = {x_};
            before.outputs = {value(graph.values[std::size_t(x_)].shape)};
            x_ = before.outputs[0];
            graph.nodes.push_back(before);
        }
        Node node{};
        node.op = Op::fused_conv;
        node.name = "layer" + std::to_string(graph.nodes.size());
        const auto tiles = [&](std::int64_t extent) {
            return (extent + form.grid - 1) / form.grid;
        };
        const Shape shape = {1, form.outputs, y, x};
        const ValueId gate =
            form.gate == GateForm::none ? no_value : input({1, form.maps, tiles(y), tiles(x)});
        node.inputs = {x_, gate, form.residual ? input(shape) : no_value};
        node.outputs = {value(shape)};
        node.fused_conv = conv(form);
        x_ = node.outputs[0];
        graph.nodes.push_back(std::move(node));
        graph.outputs = {x_};
    }

    Graph graph;

    std::vector<float> draw(std::size_t count, float low, float high) {
        std::uniform_real_distribution<float> distribution(low, high);
        std::vector<float> values(count);
        std::generate(values.begin(), values.end(), [&] { return distribution(random_); });
        return values;
    }

private:
    ValueId value(const Shape& shape) {
        return graph.add_value({"value", shape, true, ElementType::float32, nullptr});
    }
    ValueId input(const Shape& shape) {
        graph.inputs.push_back(value(shape));
        return graph.inputs.back();
    }

    FusedConv conv(const LayerForm& form) {
        const Shape shape = {form.outputs, form.channels / form.groups, form.kernel, form.kernel};
        FusedConv conv;
        conv.weights = std::make_shared<Constant>(
            Constant{shape, draw(std::size_t(element_count(shape)), -0.3F, 0.3F)});
        conv.bias = draw(std::size_t(form.outputs), -1, 1);
        conv.scale.assign(std::size_t(form.outputs), 1);
        conv.shift.assign(std::size_t(form.outputs), 0);
        if (form.clamped) {
            conv.act = {-0.2F, 0.5F};
        }
        if (form.gate != GateForm::none || form.scaled) {
            conv.scale = draw(std::size_t(form.outputs), 0.5F, 2);
            conv.shift = draw(std::size_t(form.outputs), -1, 1);
        }
        std::fill_n(conv.stride, 2, form.stride);
        std::fill_n(conv.pads, 4, form.dilation * (form.kernel / 2));
        std::fill_n(conv.dilation, 2, form.dilation);
        conv.groups = form.groups;
        conv.post.low = 0;
        conv.gate = form.gate;
        conv.gate_grid = form.grid;
        return conv;
    }

    std::mt19937 random_;
    ValueId x_ = no_value;
};

/// What an alternative gives for its plan's inputs.
Tensor run(const Alternative& alternative, const std::vector<Tensor>& inputs, const Shape& shape) {
    const Plan& plan = *alternative.plan;
    AlignedMemory arena(plan.arena_bytes);
    std::memset(arena.data(), 0, arena.size());
    Runner runner(plan, arena.data(), nullptr, {});
    REQUIRE(inputs.size() == plan.inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        runner.point_at(Memory::input, int(i), inputs[i].data.data());
    }
    Tensor output = reference::zeros(shape);
    runner.point_at(Memory::output, 0, output.data.data());
    runner.run_image();
    return output;
}

double difference(const Tensor& a, const Tensor& b) {
    double worst = 0, largest = 0;
    for (std::size_t i = 0; i < a.data.size(); ++i) {
        worst = std::max<double>(worst, std::abs(a.data[i] - b.data[i]));
        largest = std::max<double>(largest, std::abs(b.data[i]));
    }
    return worst / largest;
}

/// Half of the gates are zero.
Tensor draw_input(Network& network, const TensorInfo& info, bool is_gate) {
    Tensor tensor{{1}, {}};
    for (std::size_t axis = 1; axis < info.shape.size(); ++axis) {
        tensor.shape.push_back(info.shape[axis].size);
    }
    tensor.data = network.draw(std::size_t(element_count(tensor.shape)), -1, 1);
    for (float& value : tensor.data) {
        value = is_gate ? std::max(value, 0.0F) : value;
    }
    return tensor;
}

const Tensor* next_if(bool is_there, const std::vector<Tensor>& inputs, std::size_t& at) {
    return is_there ? &inputs[at++] : nullptr;
}

/// The scalar answer of the layers in an alternative's plan.
Tensor expected(const Network& network, std::size_t layers, const std::vector<Tensor>& inputs) {
    std::size_t at = 0;
    Tensor x = inputs[at++];
    for (std::size_t i = network.graph.nodes.size() - layers; i < network.graph.nodes.size(); ++i) {
        const Node& node = network.graph.nodes[i];
        const Tensor* gate = next_if(node.inputs[1] != no_value, inputs, at);
        const Tensor* residual = next_if(node.inputs[2] != no_value, inputs, at);
        x = reference::fused_conv(*node.fused_conv, x, gate, residual);
    }
    CHECK(at == inputs.size());
    return x;
}

using Ways = std::set<std::optional<WayId>>;

/// Which ways compute the last layer, all of them with the reference's answer.
Ways check_ways(Network& network, const Target& target) {
    Ways ways;
    const Graph& graph = network.graph;
    const Node& node = graph.nodes.back();
    for (const Alternative& one : alternatives(graph, node, target)) {
        INFO(target.id << ", " << one.kernel().name);
        CHECK(one.call().node == node.name);
        CHECK(!one.call().choice);
        ways.insert(one.way);
        std::vector<Tensor> inputs;
        for (std::size_t i = 0; i < one.plan->inputs.size(); ++i) {
            inputs.push_back(draw_input(network, one.plan->inputs[i], !one.gated[i].empty()));
        }
        const Shape& shape = graph.values[std::size_t(node.outputs[0])].shape;
        const Tensor wanted = expected(network, one.way == WayId::pairs ? 2 : 1, inputs);
        CHECK(difference(run(one, inputs, shape), wanted) < 1e-5);
    }
    return ways;
}

void check_ways_of(const std::vector<LayerForm>& layers, const Ways& wanted) {
    for (const Target* target : possible_targets()) {
        INFO(target->id);
        Network network(17);
        for (const LayerForm& form : layers) {
            network.add(form);
        }
        const Ways found = check_ways(network, *target);
        CHECK(found.size() == wanted.size());
        for (const std::optional<WayId>& way : wanted) {
            INFO("way " << (way ? int(*way) : -1));
            CHECK(found.count(way) == 1);
        }
    }
}

const Ways direct_and_winograd = {WayId::direct, WayId::winograd};

}  // namespace

TEST_CASE("a dense layer's ways give its answer") {
    check_ways_of({{}}, direct_and_winograd);
    check_ways_of({{.residual = true}}, direct_and_winograd);
    check_ways_of({{.channels = 5, .outputs = 7, .kernel = 5}}, {WayId::direct});
    // One output map is the LCCL branch's kernel, which is no way among others.
    check_ways_of({{.outputs = 1, .height = 1, .width = 3}}, {std::nullopt});
}

TEST_CASE("a depthwise layer has a way of its own beside the direct one, one of groups has not") {
    const Ways both = {WayId::direct, WayId::depthwise};
    check_ways_of({{.groups = 16}}, both);
    check_ways_of({{.kernel = 5, .stride = 2, .residual = true, .groups = 16}}, both);
    check_ways_of({{.channels = 20, .outputs = 20, .groups = 20, .dilation = 2}}, both);
    check_ways_of({{.gate = GateForm::position, .residual = true, .groups = 16}}, both);
    check_ways_of({{.gate = GateForm::element, .maps = 16, .groups = 16}}, {WayId::direct});
    check_ways_of({{.outputs = 32, .groups = 16}}, both);
    check_ways_of({{.channels = 5, .outputs = 15, .kernel = 1, .groups = 5}}, both);
    check_ways_of({{.groups = 4}}, {WayId::direct});
    check_ways_of({{.gate = GateForm::position, .dilation = 3}}, {WayId::direct});
}

TEST_CASE("a 1x1 layer over one position has a way of its own beside the direct one") {
    const auto over_one = [](LayerForm form) {
        form.kernel = form.height = form.width = 1;
        return form;
    };
    const Ways both = {WayId::direct, WayId::linear};
    for (const std::int64_t channels : {1, 7, 16, 70}) {
        check_ways_of({over_one({.channels = channels})}, both);
        check_ways_of({over_one({.channels = channels, .outputs = 33, .scaled = true})}, both);
        check_ways_of({over_one({.channels = channels, .outputs = 7, .clamped = true})}, both);
    }
    check_ways_of({{.height = 2, .width = 2, .kernel = 1, .stride = 2}}, both);
    check_ways_of({over_one({}), over_one({.outputs = 96})}, both);

    check_ways_of({{.height = 1, .width = 2, .kernel = 1}}, {WayId::direct});
    check_ways_of({{.height = 1, .width = 1}}, {WayId::direct});
    check_ways_of({over_one({.residual = true})}, {WayId::direct});
    check_ways_of({over_one({.groups = 4})}, {WayId::direct});
    check_ways_of({over_one({.gate = GateForm::position})}, {WayId::direct});
    check_ways_of({over_one({.scaled = true, .clamped = true})}, {WayId::direct});
}

TEST_CASE("the ways of a layer of stride 2 give its answer") {
    check_ways_of({{.outputs = 32, .width = 10, .stride = 2}}, direct_and_winograd);
    check_ways_of({{.outputs = 32, .width = 10, .stride = 2, .gate = GateForm::position}},
                  direct_and_winograd);
}

TEST_CASE("the ways of a layer with a gate per position, or per tile, give its answer") {
    check_ways_of({{.gate = GateForm::position}}, direct_and_winograd);
    check_ways_of({{.gate = GateForm::position, .residual = true}}, direct_and_winograd);
    check_ways_of({{.gate = GateForm::position, .grid = 4}}, direct_and_winograd);
    check_ways_of({{.kernel = 1, .gate = GateForm::position, .grid = 4}}, {WayId::direct});
}

TEST_CASE("the ways of a layer with a gate per element, or per group, give its answer") {
    check_ways_of({{.gate = GateForm::element, .maps = 16}},
                  {WayId::direct, WayId::winograd, WayId::per_element});
    check_ways_of({{.outputs = 128, .gate = GateForm::group, .maps = 2}}, direct_and_winograd);
}

TEST_CASE("pairs are a way of a layer that reads another gated layer's output") {
    const LayerForm gated{.gate = GateForm::position};
    check_ways_of({gated, gated}, {WayId::direct, WayId::winograd, WayId::pairs});
    // What a residual is added to is not constant where the gate skips.
    check_ways_of({{.gate = GateForm::position, .residual = true}, gated}, direct_and_winograd);
    check_ways_of({{}, gated}, direct_and_winograd);
}

TEST_CASE("an LCCL branch has no ways, and one kernel") {
    for (const Target* target : possible_targets()) {
        INFO(target->id);
        Network network(17);
        network.add({.outputs = 1});
        CHECK(check_ways(network, *target) == Ways{std::nullopt});
        const auto branch =
            alternative(network.graph, network.graph.nodes.back(), *target, std::nullopt);
        REQUIRE(branch);
        CHECK(branch->kernel().algorithm == Algorithm::branch);
        CHECK(alternatives(network.graph, network.graph.nodes.front(), *target).empty());
    }
}

TEST_CASE("without a way, an alternative is what a plan takes") {
    for (const Target* target : possible_targets()) {
        INFO(target->id);
        for (const std::int64_t kernel : {1, 3}) {
            Network network(17);
            network.add({.kernel = kernel});
            const auto chosen =
                alternative(network.graph, network.graph.nodes.back(), *target, std::nullopt);
            const auto plan = make_plan(network.graph, *target);
            REQUIRE(chosen);
            REQUIRE(plan.ok());
            const auto& steps = plan.value()->steps;
            CHECK(std::any_of(steps.begin(), steps.end(), [&](const Step& step) {
                return step.kernel == &chosen->kernel() && step.shape == chosen->call().shape;
            }));
        }
    }
}

TEST_CASE("a plan packs and splits for the kernel that it is given") {
    for (const Target* target : possible_targets()) {
        INFO(target->id);
        Network network(17);
        network.add({.outputs = 48});
        const Node& node = network.graph.nodes.back();
        Kernel wide = *find_conv(Algorithm::gated_conv, GateForm::none, *target,
                                 {.kernel = {3, 3}, .channel_stride = 16, .outputs = 48});
        std::get<DirectInfo>(wide.info).vectors = 48 / target->lanes;
        std::get<DirectInfo>(wide.info).pixels = 5;
        std::vector<Kernel> table(kernels().begin(), kernels().end());
        std::erase_if(table, [&](const Kernel& other) {
            return other.algorithm == wide.algorithm && other.gate == wide.gate;
        });
        // A plan without any kernel for the layer is none.
        CHECK(!alternative(network.graph, node, *target, WayId::direct, table));
        table.push_back(wide);
        const auto one = alternative(network.graph, node, *target, WayId::direct, table);
        REQUIRE(one);
        CHECK(&one->kernel() == &table.back());
        const auto call = call_of<GatedConvCall>(one->call());
        CHECK(call.weights.axes[0].extent == target->lanes);
        CHECK(call.weights.axes[4].extent == 48 / target->lanes);
        CHECK(call.starts.axes[0].extent == 1);
        CHECK(one->call().list.tile == 5);
        std::get<DirectInfo>(table.back().info).vectors = 64 / target->lanes;
        CHECK(!alternative(network.graph, node, *target, WayId::direct, table));
    }
}
