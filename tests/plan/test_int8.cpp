#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "plan/alternatives.h"
#include "plan/plan_of.h"
#include "session/runner.h"

using namespace sluice;
using namespace sluice::plan_test;

/// Quantised layers as a plan computes them, against scalar code that works on integers alone up to
/// each rounding: equal integer for integer.
namespace {

using Bytes = std::vector<std::uint8_t>;

/// A layer with all that it reads, drawn at random.
struct Layer {
    std::int64_t channels, outputs, height, width, kernel_y, kernel_x, stride;
    GateForm gate;
    std::int64_t maps = 1;
    std::int64_t groups = 1;  ///< of one channel each where there are several
    bool has_residual, is_float;
    FusedConv conv;
    Quantization input, residual, output;
    Bytes x, r;
    std::vector<float> g;

    std::int64_t each() const { return channels / groups; }
    std::int64_t out_height() const {
        const std::int64_t reach = conv.dilation[0] * (kernel_y - 1) + 1;
        return (height + conv.pads[0] + conv.pads[2] - reach) / stride + 1;
    }
    std::int64_t out_width() const {
        const std::int64_t reach = conv.dilation[1] * (kernel_x - 1) + 1;
        return (width + conv.pads[1] + conv.pads[3] - reach) / stride + 1;
    }
};

class Draw {
public:
    explicit Draw(unsigned seed) : random_(seed) {}

    int number(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
    bool often() { return number(0, 1) == 0; }
    float real(float low, float high) {
        return std::uniform_real_distribution<float>(low, high)(random_);
    }
    Quantization quantization(float scale) {
        const int ends[] = {0, 255, 128};
        return {scale * real(0.5F, 2), often() ? number(0, 255) : ends[number(0, 2)]};
    }
    Bytes bytes(std::int64_t count) {
        Bytes bytes(static_cast<std::size_t>(count));
        std::generate(bytes.begin(), bytes.end(), [&] { return std::uint8_t(number(0, 255)); });
        return bytes;
    }

    /// Of any form; every third one is depthwise.
    Layer layer(int trial) {
        Layer l{};
        const bool is_depthwise = trial % 3 == 2;
        const int channels[] = {1, 3, 8, 15, 16, 17, 32, 48};
        l.channels = channels[is_depthwise ? number(1, 7) : number(0, 7)];
        l.outputs = is_depthwise ? l.channels * std::max(1, number(-4, 3)) : channels[number(0, 7)];
        const int kernels[] = {1, 3, 5, 7};
        l.kernel_y = kernels[number(0, 3)];
        l.kernel_x = number(0, 4) == 0 ? kernels[number(0, 3)] : l.kernel_y;
        l.stride = number(1, 2);
        l.height = number(int(l.kernel_y), 12);
        l.width = number(int(l.kernel_x), 12);
        const GateForm forms[] = {GateForm::none, GateForm::position, GateForm::group,
                                  GateForm::element};
        l.gate = forms[number(0, 3)];
        if (l.gate == GateForm::group) {
            l.outputs = 4 * number(1, 16);
            l.channels = is_depthwise ? l.outputs : l.channels;
            l.maps = 4;
        } else if (l.gate == GateForm::element) {
            l.maps = l.outputs;
        }
        l.groups = is_depthwise ? l.channels : 1;
        l.is_float = number(0, 3) == 0;
        l.has_residual = !l.is_float && often();
        l.input = quantization(0.02F);
        l.residual = quantization(0.05F);
        l.output = quantization(0.05F);
        l.conv = conv(l);
        l.x = bytes(l.channels * l.height * l.width);
        l.r = bytes(l.outputs * l.out_height() * l.out_width());
        l.g.resize(std::size_t(l.maps * l.out_height() * l.out_width()));
        std::generate(l.g.begin(), l.g.end(),
                      [&] { return std::max(float(number(-8, 8)) * 0.125F, 0.0F); });
        return l;
    }

private:
    FusedConv conv(const Layer& l) {
        FusedConv conv;
        const Shape shape = {l.outputs, l.each(), l.kernel_y, l.kernel_x};
        std::vector<std::int8_t> weights(std::size_t(element_count(shape)));
        for (std::int8_t& w : weights) {
            w = number(0, 9) == 0 ? std::int8_t(-128) : std::int8_t(number(-127, 127));
        }
        conv.weights = std::make_shared<Constant>(Constant{shape, Int8s(std::move(weights))});
        conv.stride[0] = conv.stride[1] = l.stride;
        conv.groups = l.groups;
        if (l.groups > 1 && number(0, 4) == 0) {
            conv.dilation[0] = std::min<std::int64_t>(2, 11 / l.kernel_y);
            conv.dilation[1] = std::min<std::int64_t>(3, 11 / l.kernel_x);
        }
        for (std::size_t side = 0; side < 4; ++side) {
            const std::int64_t kernel = side % 2 == 0 ? l.kernel_y : l.kernel_x;
            const std::int64_t reach = conv.dilation[side % 2] * (kernel - 1);
            const std::int64_t room = (side % 2 == 0 ? l.height : l.width) - 1;
            const std::int64_t least = side < 2 ? 0 : reach - room - conv.pads[side - 2];
            conv.pads[side] = std::max<std::int64_t>(number(0, int(reach)), least);
        }
        const float spread = 1 / std::sqrt(float(l.each() * l.kernel_y * l.kernel_x));
        for (std::int64_t k = 0; k < l.outputs; ++k) {
            conv.weight_scale.push_back(0.01F * spread * real(0.5F, 2));
            const float unit = l.input.scale * conv.weight_scale.back();
            conv.bias.push_back(float(number(-20000, 20000)) * unit);
            conv.scale.push_back(1);
            conv.shift.push_back(number(0, 2) == 0 ? real(-1, 1) : 0);
        }
        conv.act.low = often() ? 0 : conv.act.low;
        conv.post.low = often() ? 0 : conv.post.low;
        conv.post.high = number(0, 3) == 0 ? 2.3F : conv.post.high;
        conv.gate = l.gate;
        if (l.gate != GateForm::none && often()) {
            conv.after_act = quantization(0.05F);
        }
        if (!l.is_float && number(0, 2) == 0) {
            conv.after_gate = quantization(0.05F);
        }
        if (l.is_float && often()) {
            conv.output_rounding = quantization(0.05F);
        }
        return conv;
    }

    std::mt19937 random_;
};

/// To the numbers of a quantisation and back, in its unit.
float round_in(float value, const Quantization& q) {
    return std::nearbyint(
        std::min(std::max(value, float(-q.zero_point)), float(255 - q.zero_point)));
}

float ratio(double from, double to) { return float(from / to); }

/// The sum of an output's products and bias, exact.
std::int64_t sum_of(const Layer& l, std::int64_t k, std::int64_t y, std::int64_t x) {
    const double unit = double(l.input.scale) * l.conv.weight_scale[std::size_t(k)];
    auto sum = std::int64_t(std::nearbyint(l.conv.bias[std::size_t(k)] / unit));
    const std::int8_t* w = l.conv.weights->int8s().data() + k * l.each() * l.kernel_y * l.kernel_x;
    const std::int64_t first = k / (l.outputs / l.groups) * l.each();
    for (std::int64_t c = first; c < first + l.each(); ++c) {
        for (std::int64_t j = 0; j < l.kernel_y; ++j) {
            for (std::int64_t i = 0; i < l.kernel_x; ++i, ++w) {
                const std::int64_t row = y * l.stride - l.conv.pads[0] + j * l.conv.dilation[0];
                const std::int64_t column = x * l.stride - l.conv.pads[1] + i * l.conv.dilation[1];
                if (row >= 0 && row < l.height && column >= 0 && column < l.width) {
                    const int value = l.x[std::size_t((c * l.height + row) * l.width + column)];
                    sum += std::int64_t(value - l.input.zero_point) * *w;
                }
            }
        }
    }
    return sum;
}

/// An output as it is stored: a number, or a float.
float expected(const Layer& l, std::int64_t k, std::int64_t y, std::int64_t x) {
    const FusedConv& conv = l.conv;
    const bool rounds = !l.is_float || conv.output_rounding;
    const Quantization out =
        l.is_float ? conv.output_rounding.value_or(Quantization{1, 0}) : l.output;
    const double after_gate = conv.after_gate ? conv.after_gate->scale : out.scale;
    const double after_act = conv.after_act ? conv.after_act->scale : after_gate;
    // volatile: no product and sum become one multiply-add.
    volatile float t = float(sum_of(l, k, y, x)) *
                       ratio(double(l.input.scale) * conv.weight_scale[std::size_t(k)], after_act);
    t = std::min(std::max(float(t), ratio(conv.act.low, after_act)),
                 ratio(conv.act.high, after_act));
    if (conv.after_act) {
        t = round_in(t, *conv.after_act) * ratio(after_act, after_gate);
    }
    const std::int64_t at = y * l.out_width() + x, positions = l.out_height() * l.out_width();
    if (l.gate != GateForm::none) {
        const std::int64_t map = l.maps == 1 ? 0 : k / (l.outputs / l.maps);
        t = t * l.g[std::size_t(map * positions + at)];
    }
    if (conv.after_gate) {
        t = round_in(t, *conv.after_gate) * ratio(after_gate, out.scale);
    }
    t = t + ratio(conv.shift[std::size_t(k)], out.scale);
    if (l.has_residual) {
        volatile float r = float(l.r[std::size_t(k * positions + at)] - l.residual.zero_point) *
                           ratio(l.residual.scale, out.scale);
        t = t + r;
    }
    if (!rounds) {
        return conv.post.apply(t);
    }
    const auto bound = [&out](float real) { return round_in(real / out.scale, out); };
    const float number =
        std::nearbyint(std::min(std::max(float(t), bound(conv.post.low)), bound(conv.post.high)));
    return l.is_float ? number * out.scale : number + float(out.zero_point);
}

ValueId add_value(Graph& graph, const Shape& shape, const Quantization* q) {
    Value value;
    value.name = "value" + std::to_string(graph.values.size());
    value.shape = shape;
    value.shape_known = true;
    if (q != nullptr) {
        value.type = ElementType::uint8;
        value.quantization = *q;
    }
    return graph.add_value(value);
}

Graph graph_of(const Layer& l) {
    Graph graph;
    graph.file = "layer";
    const Shape out = {1, l.outputs, l.out_height(), l.out_width()};
    Node node{};
    node.op = Op::fused_conv;
    node.name = "layer";
    node.fused_conv = l.conv;
    node.inputs.push_back(add_value(graph, {1, l.channels, l.height, l.width}, &l.input));
    graph.inputs.push_back(node.inputs[0]);
    // A network's values have lanes beside their channels.
    const auto placed = [&graph](ValueId id) {
        Node alias{};
        alias.op = Op::identity;
        alias.name = "placed";
        alias.inputs = {id};
        const Value& value = graph.values[std::size_t(id)];
        alias.outputs = {
            add_value(graph, value.shape, value.quantization ? &*value.quantization : nullptr)};
        graph.nodes.push_back(alias);
        return alias.outputs[0];
    };
    if (l.channels != 3) {
        node.inputs[0] = placed(node.inputs[0]);
    }
    node.inputs.push_back(no_value);
    if (l.gate != GateForm::none) {
        graph.inputs.push_back(add_value(graph, {1, l.maps, out[2], out[3]}, nullptr));
        node.inputs[1] =
            l.gate == GateForm::position ? graph.inputs.back() : placed(graph.inputs.back());
    }
    node.inputs.push_back(no_value);
    if (l.has_residual) {
        graph.inputs.push_back(add_value(graph, out, &l.residual));
        node.inputs[2] = placed(graph.inputs.back());
    }
    node.outputs = {add_value(graph, out, l.is_float ? nullptr : &l.output)};
    graph.outputs = node.outputs;
    graph.nodes.push_back(std::move(node));
    return graph;
}

/// How many outputs differ from the scalar code's.
int differences(const Layer& l, const Plan& plan) {
    AlignedMemory arena(plan.arena_bytes);
    std::memset(arena.data(), 0, arena.size());
    write_presets(plan.presets, arena.data());
    const std::int64_t positions = l.out_height() * l.out_width();
    std::vector<float> floats(std::size_t(l.outputs * positions));
    Bytes bytes(floats.size());
    Runner runner(plan, arena.data(), nullptr, {});
    int next = 0;
    runner.point_at(Memory::input, next++, l.x.data());
    if (l.gate != GateForm::none) {
        runner.point_at(Memory::input, next++, l.g.data());
    }
    if (l.has_residual) {
        runner.point_at(Memory::input, next++, l.r.data());
    }
    runner.point_at(Memory::output, 0,
                    l.is_float ? static_cast<void*>(floats.data()) : bytes.data());
    int wrong = 0;
    for (int run = 0; run < 2; ++run) {  // the second finds what the first has left
        runner.run_image();
        for (std::int64_t i = 0; i < std::int64_t(floats.size()); ++i) {
            const std::int64_t at = i % positions;
            const float got = l.is_float ? floats[std::size_t(i)] : float(bytes[std::size_t(i)]);
            wrong += got != expected(l, i / positions, at / l.out_width(), at % l.out_width());
        }
    }
    return wrong;
}

std::string describe(const Layer& l) {
    return std::to_string(l.channels) + "x" + std::to_string(l.height) + "x" +
           std::to_string(l.width) + " -> " + std::to_string(l.outputs) + ", " +
           std::to_string(l.kernel_y) + "x" + std::to_string(l.kernel_x) + " by " +
           std::to_string(l.stride) + ", gate " + std::to_string(int(l.gate)) +
           (l.groups > 1 ? ", depthwise" : "") + (l.conv.is_dilated() ? ", dilated" : "") +
           (l.has_residual ? ", residual" : "") + (l.is_float ? ", float" : "") +
           (l.conv.after_act ? ", rounds after the activation" : "") +
           (l.conv.after_gate ? ", rounds after the gate" : "");
}

}  // namespace

TEST_CASE("plans of quantised layers equal scalar code, integer for integer, on every target") {
    const unsigned seed = 20261130;
    Draw draw(seed);
    const auto possible = possible_targets();
    for (int trial = 0; trial < 400; ++trial) {
        const Layer layer = draw.layer(trial);
        INFO("seed " << seed << ", trial " << trial << ": " << describe(layer));
        for (const Target* target : possible) {
            const auto plan = make_plan(graph_of(layer), *target);
            INFO(target->id << " " << plan.status().message());
            REQUIRE(plan.ok());
            INFO(explain(*plan.value()));
            REQUIRE(differences(layer, *plan.value()) == 0);
        }
    }
}

TEST_CASE("a quantised layer has one way, and by itself gives its answer, integer for integer") {
    const unsigned seed = 20261201;
    Draw draw(seed);
    const auto possible = possible_targets();
    for (int trial = 0; trial < 100; ++trial) {
        const Layer layer = draw.layer(trial);
        INFO("seed " << seed << ", trial " << trial << ": " << describe(layer));
        const Graph graph = graph_of(layer);
        for (const Target* target : possible) {
            const auto found = alternatives(graph, graph.nodes.back(), *target);
            INFO(target->id);
            REQUIRE(found.size() == 1);
            // One map is the LCCL branch's kernel, which is no way among others.
            const bool has_branch = found[0].kernel().algorithm == Algorithm::int8_branch;
            const WayId way = layer.groups > 1 ? WayId::int8_depthwise : WayId::int8;
            CHECK(found[0].way == (has_branch ? std::optional<WayId>() : way));
            CHECK((!has_branch || (layer.outputs == 1 && layer.is_float)));
            CHECK(found[0].gated[layer.gate == GateForm::none ? 0 : 1] ==
                  (layer.gate == GateForm::none ? "" : "layer"));
            REQUIRE(differences(layer, *found[0].plan) == 0);
        }
    }
}
