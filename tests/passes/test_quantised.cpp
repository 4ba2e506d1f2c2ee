#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <span>

#include "onnx/reader.h"
#include "passes/fold_constants.h"
#include "passes/int8_weights.h"
#include "passes/passes.h"
#include "passes/quantised.h"
#include "passes/quantised_files.h"
#include "reference/interpreter.h"
#include "reference/operators.h"

using namespace sluice;
using namespace sluice::quantised_files;

namespace {

Graph folded(const std::string& name) {
    auto graph = read_onnx(folder / (name + ".onnx"));
    INFO(graph.status().message());
    REQUIRE(graph.ok());
    const Status status = fold_constants(graph.value());
    INFO(status.message());
    REQUIRE(status.ok());
    return std::move(graph).value();
}

Graph optimised(Graph graph) {
    const Status status = optimise(graph);
    INFO(status.message());
    REQUIRE(status.ok());
    return graph;
}

std::string form_of(const Graph& graph, ValueId id) {
    if (id == no_value) {
        return "-";
    }
    return value(graph, id).constant ? "const" : value(graph, id).is_float() ? "f32" : "u8";
}

/// "FusedConv position (u8, f32, u8) after_act after_gate -> u8", for example.
std::string form_of(const Graph& graph, const Node& node) {
    std::string text = to_string(node.op);
    if (node.fused_conv) {
        const char* const gates[] = {"", " position", " group", " element"};
        text += gates[int(node.fused_conv->gate)];
        text += node.fused_conv->is_quantised() ? "" : " float";
    }
    text += " (";
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        text += (i ? ", " : "") + form_of(graph, node.inputs[i]);
    }
    text += ")";
    if (node.fused_conv) {
        text += node.fused_conv->after_act ? " after_act" : "";
        text += node.fused_conv->after_gate ? " after_gate" : "";
        text += node.fused_conv->output_rounding ? " rounds" : "";
    }
    return text + " -> " + form_of(graph, node.outputs[0]);
}

using Forms = std::vector<std::string>;

Forms forms_of(const Graph& graph) {
    Forms forms;
    for (const Node& node : graph.nodes) {
        forms.push_back(form_of(graph, node));
    }
    return forms;
}

Forms joined(Forms forms, const Forms& more) {
    forms.insert(forms.end(), more.begin(), more.end());
    return forms;
}

/// The end of a network whose last map is uint8, each operator between its own roundings.
const Forms rounded_end = {"GlobalAveragePool (u8) -> u8", "Reshape (u8, const) -> u8",
                           "Gemm (u8) rounds -> f32", "Identity (f32) -> f32"};
/// The same where Gemm's input alone is rounded.
const Forms float_end = {"GlobalAveragePool (f32) -> f32", "QuantizeLinear (f32) -> u8",
                         "Reshape (u8, const) -> u8", "Gemm (u8) -> f32", "Identity (f32) -> f32"};
const std::string dense = "FusedConv (u8, -, -) -> u8";
const std::string quantizes = "QuantizeLinear (f32) -> u8";
const std::string dequantizes = "DequantizeLinear (u8) -> f32";
const std::string branch = "FusedConv (u8, -, -) rounds -> f32";

/// Of networks as ONNX Runtime's quantize_static writes them.
const std::map<std::string, Forms> rounded_everywhere = {
    {"resnet", joined({quantizes, dense, "MaxPool (u8) -> u8", dense,
                       "FusedConv (u8, -, u8) after_gate -> u8", dense, dense,
                       "FusedConv (u8, -, u8) after_gate -> u8"},
                      rounded_end)},
    {"position", joined({quantizes, dense, dense, branch,
                         "FusedConv position (u8, f32, u8) after_act after_gate -> u8"},
                        rounded_end)},
    {"group", joined({quantizes, dense, dense, branch,
                      "FusedConv group (u8, f32, u8) after_act after_gate -> u8"},
                     rounded_end)},
    {"element", joined({quantizes, dense, dense, branch,
                        "FusedConv element (u8, f32, u8) after_act after_gate -> u8"},
                       rounded_end)},
    {"tiles", joined({quantizes, dense, "MaxPool (u8) -> u8", branch,
                      "FusedConv position (u8, f32, -) after_act -> u8"},
                     rounded_end)},
    {"mixed",
     joined({quantizes, dense, "AveragePool (u8) -> u8", "MaxPool (u8) -> u8",
             "FusedConv (u8, -, -) after_gate -> u8", "Add (u8, u8) -> u8", "Concat (u8, u8) -> u8",
             branch, "Resize (f32, -, const) -> f32", quantizes, dense},
            rounded_end)},
};

/// A normalisation between roundings reads and writes uint8.
const Forms& normalised() {
    static const Forms forms =
        joined({quantizes, dense, branch, "FusedConv position (u8, f32, -) after_act -> u8",
                "Affine (u8) -> u8", dense},
               rounded_end);
    return forms;
}

/// Of networks as NNCF and PyTorch's exporters write them.
const std::map<std::string, Forms> rounded_at_inputs = {
    {"resnet", joined({quantizes, dense, "MaxPool (u8) -> u8", dense, "FusedConv (u8, -, u8) -> u8",
                       dense, dense, "FusedConv (u8, -, u8) -> f32"},
                      float_end)},
    {"position", joined({quantizes, dense, dense, "FusedConv (u8, -, -) -> f32",
                         "FusedConv position (u8, f32, u8) -> f32"},
                        float_end)},
    {"element", joined({quantizes, dense, dense, "FusedConv (u8, -, -) -> f32",
                        "FusedConv element (u8, f32, u8) -> f32"},
                       float_end)},
    {"normalised", joined({quantizes, dense, "FusedConv (u8, -, -) -> f32",
                           "FusedConv position (u8, f32, -) -> u8", "FusedConv (u8, -, -) -> f32"},
                          float_end)},
};

}  // namespace

TEST_CASE("networks with roundings around every operator become uint8 throughout") {
    for (const char* style : {"ort_u8", "ort_s8", "ort_s8_symmetric"}) {
        CHECK(forms_of(optimised(folded(style + std::string("_normalised")))) == normalised());
        for (const auto& [net, forms] : rounded_everywhere) {
            CAPTURE(style, net);
            CHECK(forms_of(optimised(folded(style + ("_" + net)))) == forms);
        }
    }
    CHECK(forms_of(optimised(folded("ort_u8_tensor_resnet"))) == rounded_everywhere.at("resnet"));
}

TEST_CASE("networks with roundings before layers alone become uint8 where they have them") {
    for (const auto& [net, forms] : rounded_at_inputs) {
        CAPTURE(net);
        CHECK(forms_of(optimised(folded("inputs_" + net))) == forms);
    }
}

TEST_CASE("inverted residuals with depthwise layers are uint8 throughout") {
    const Forms rounded =
        joined({quantizes, dense, dense, dense, "FusedConv (u8, -, u8) after_gate -> u8", dense,
                dense, dense, dense, dense},
               rounded_end);
    for (const char* style : {"ort_u8", "ort_s8_symmetric"}) {
        for (const char* net : {"_mobile", "_mobile_low"}) {
            CAPTURE(style, net);
            CHECK(forms_of(optimised(folded(style + std::string(net)))) == rounded);
        }
    }
    for (const char* net : {"depthwise_position", "depthwise_element"}) {
        CAPTURE(net);
        const Graph graph = optimised(folded(std::string("ort_u8_") + net));
        const auto is_gated = [](const Node& node) {
            return node.fused_conv && node.fused_conv->gate != GateForm::none;
        };
        const auto layer = std::find_if(graph.nodes.begin(), graph.nodes.end(), is_gated);
        REQUIRE(layer != graph.nodes.end());
        CHECK(layer->fused_conv->is_quantised());
        CHECK(layer->fused_conv->groups == 12);
        CHECK(form_of(graph, layer->outputs[0]) == "u8");
    }
}

TEST_CASE("all layers of a quantised block obey its one gate") {
    const std::pair<const char*, std::vector<std::int64_t>> grids[] = {
        {"block", {1, 1}},
        {"block_map", {16, 16}},
        {"bottleneck", {1, 1, 1}},
        {"bottleneck_squares", {8, 4, 4}},
        {"bottleneck_map", {16, 8, 8}},
    };
    for (const char* style : {"ort_u8_", "ort_s8_", "inputs_"}) {
        for (const auto& [net, expected] : grids) {
            CAPTURE(style, net);
            const Graph graph = optimised(folded(style + std::string(net)));
            std::vector<std::int64_t> found;
            ValueId gate = no_value;
            for (const Node& node : graph.nodes) {
                CHECK(node.op != Op::mul);
                if (node.op == Op::fused_conv && node.fused_conv->gate == GateForm::position) {
                    CHECK(node.fused_conv->is_quantised());
                    CHECK((gate == no_value || node.inputs[1] == gate));
                    CHECK(form_of(graph, node.outputs[0]) == "u8");
                    gate = node.inputs[1];
                    found.push_back(node.fused_conv->gate_grid);
                }
            }
            CHECK(found == expected);
        }
    }
}

TEST_CASE("a normalisation after a gate is scale and shift of the quantised convolution") {
    const Graph graph = optimised(folded("inputs_normalised"));
    const FusedConv& conv = *graph.nodes[3].fused_conv;
    CHECK(conv.gate == GateForm::position);
    CHECK(conv.act.is_none());
    CHECK(conv.post.is_none());  // the rounding that follows has no negative numbers
    CHECK(std::count(conv.scale.begin(), conv.scale.end(), 1.F) == 0);
    CHECK(std::count(conv.shift.begin(), conv.shift.end(), 0.F) == 0);
    CHECK(value(graph, graph.nodes[3].outputs[0]).quantization->zero_point == 0);
}

TEST_CASE("clamps pass roundings only where that means the same") {
    std::mt19937 random(7);
    const auto draw = [&random](int below) { return int(random() % unsigned(below)); };
    int before = 0, implied = 0;
    for (int trial = 0; trial < 2000; ++trial) {
        const Quantization q{0.25F * float(1 + draw(9)), draw(256)};
        const auto number = [&](int n) { return float(n - q.zero_point) * q.scale; };
        const auto bound = [&] {
            return number(draw(300) - 20) + (draw(3) == 0 ? 0.1F * q.scale : 0);
        };
        const float a = bound(), b = draw(4) == 0 ? number(255 + draw(9)) : bound();
        const Clamp clamp{draw(4) == 0 ? number(-draw(9)) : std::min(a, b), std::max(a, b)};
        bool same = true, none = true;
        for (int n = -40; n < 1200; ++n) {
            const float x = number(0) + 0.25F * float(n) * q.scale;
            const auto rounded = [&](float v) {
                return reference::dequantize(q, reference::quantize(q, {{}, {v}})).data[0];
            };
            same = same && clamp.apply(rounded(x)) == rounded(clamp.apply(x));
            none = none && rounded(x) == rounded(clamp.apply(x));
        }
        CHECK(may_precede(clamp, q) == same);
        CHECK((!is_implied(clamp, q) || none));
        before += same;
        implied += is_implied(clamp, q);
    }
    CHECK(before > 100);
    CHECK(before < 1900);
    CHECK(implied > 10);
}

TEST_CASE("quantised networks give what ONNX Runtime gives, but for a step here and there") {
    int compared = 0;
    for (const File& file : files()) {
        CAPTURE(file.name);
        const Graph before = folded(file.name);
        const Graph after = optimised(before);
        const std::vector<float>& expected = file.y;
        // What crosses half a step in one layer is a small part of the result in the end.
        float largest = 0;
        for (const float number : expected) {
            largest = std::max(largest, std::abs(number));
        }
        const float bound = std::max(1.001F * step_of(after), 0.01F * largest);
        for (const Graph* graph : {&before, &after}) {
            const auto got = answer(*graph, file.x);
            REQUIRE(got.size() == expected.size());
            for (std::size_t i = 0; i < got.size(); ++i) {
                CHECK(std::abs(got[i] - expected[i]) <= bound);
                compared += got[i] != 0;
            }
        }
    }
    CHECK(compared > 1000);
}

TEST_CASE("broken quantised models give a Status") {
    const unsigned seed = 20261130;
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    for (int trial = 0; std::chrono::steady_clock::now() < deadline; ++trial) {
        const char* const names[] = {"ort_u8_group",     "inputs_tiles",  "q_linear_s8",
                                     "q_linear_mat_mul", "other_numbers", "conv_integer",
                                     "zeros_u8",         "opset21"};
        std::ifstream stream(folder / (names[trial % 8] + std::string(".onnx")), std::ios::binary);
        std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
        REQUIRE(!bytes.empty());
        for (int flips = 1 + trial % 3; flips > 0; --flips) {
            bytes[random() % bytes.size()] = char(random() % 2 ? random() : random() % 24);
        }
        auto graph = parse_onnx(std::as_bytes(std::span(bytes)), "broken.onnx");
        Status status = graph.ok() ? fold_constants(graph.value()) : graph.status();
        status = status.ok() ? optimise(graph.value()) : status;
        CHECK((status.ok() || !status.problem().remedy.empty()));
    }
}

TEST_CASE("weights stay the bytes of the file") {
    const Graph before = folded("ort_u8_resnet");
    std::vector<const std::int8_t*> stored;
    for (const Value& value : before.values) {
        if (value.constant && value.constant->is_int8() && value.shape.size() == 4) {
            stored.push_back(value.constant->int8s().data());
        }
    }
    CHECK(stored.size() == 6);
    std::size_t used = 0;
    for (const Node& node : optimised(before).nodes) {
        if (node.op == Op::fused_conv) {
            const FusedConv& conv = *node.fused_conv;
            REQUIRE(conv.weights->is_int8());
            CHECK(conv.weight_scale.size() == conv.bias.size());
            used += std::count(stored.begin(), stored.end(), conv.weights->int8s().data());
        }
    }
    CHECK(used == 6);
}

TEST_CASE("what cannot run in int8 runs in float, with the reason") {
    const std::pair<const char*, const char*> reasons[] = {
        {"zeros_s8", "its weights have zero points"},
        {"zeros_u8", "its weights are uint8"},
        {"unquantised_input", "its input is not quantised"},
        {"float_weights", "its weights are not quantised"},
        {"large_bias", "its bias is too large for int32, or lost in it"},
        {"large_sums", "its sums may be too large for int32"},
        {"input_axis", "its scales are not those of its outputs"},
        {"grouped", "it has groups of several channels, or dilation"},
        {"dilated", "it has groups of several channels, or dilation"},
    };
    for (const auto& [name, reason] : reasons) {
        CAPTURE(name);
        int found = 0;
        for (const Node& node : optimised(folded(name)).nodes) {
            if (node.fused_conv || node.op == Op::gemm) {
                CHECK(node.remark == std::string("runs in float: ") + reason);
                CHECK(!(node.fused_conv && node.fused_conv->is_quantised()));
                ++found;
            }
        }
        CHECK(found == 1);
    }
}

TEST_CASE("a bias is held in int32 where that is exact or loses little of it") {
    const std::vector<float> scale = {0.5F, 0.25F};
    const auto fits = [&scale](float first, float second, float input_scale) {
        return fits_int32(std::vector{first, second}, input_scale, scale);
    };
    CHECK(fits(0, 0, 1e30F));
    CHECK(fits(3, -0.25F, 1));         // whole units, few as they are
    CHECK(fits(100.3F, 0.1F, 1));      // 0.2 lost of 100
    CHECK_FALSE(fits(0.1F, 0.1F, 1));  // all of them lost
    CHECK_FALSE(fits(0.1F, -0.2F, 1e30F));
    CHECK_FALSE(fits(0, 1e9F, 1));  // 2^32 units of 0.25
}

TEST_CASE("bytes that the graph takes and gives keep their type outside") {
    for (const bool is_signed : {false, true}) {
        const Graph graph = optimised(folded(is_signed ? "q_linear_s8" : "q_linear_u8"));
        CHECK(forms_of(graph) == Forms{dense, "MaxPool (u8) -> u8", dense, "Identity (u8) -> u8"});
        const Value &x = value(graph, graph.inputs[0]), &y = value(graph, graph.outputs[0]);
        CHECK(x.is_int8_outside == is_signed);
        CHECK(y.is_int8_outside == is_signed);
        CHECK(x.quantization == Quantization{0.04F, is_signed ? 125 : 120});
        CHECK(y.quantization == Quantization{0.09F, is_signed ? 145 : 17});
        CHECK(y.name == "y");
    }
}

TEST_CASE("numbers that are read in several ways are read right") {
    const Graph graph = optimised(folded("other_numbers"));
    std::vector<Quantization> read;
    for (const Node& node : graph.nodes) {
        if (node.op == Op::dequantize_linear) {
            read.push_back(*node.quantization);
        }
    }
    CHECK(read == std::vector<Quantization>{{0.03F, 100}, {0.5F, 7}, {1, 0}});
    CHECK(forms_of(optimised(folded("opset21"))) == Forms{quantizes, dense, "Identity (u8) -> u8"});
    CHECK(forms_of(optimised(folded("q_linear_mat_mul"))) ==
          Forms{"Gemm (u8) -> u8", "Identity (u8) -> u8"});
}

TEST_CASE("what quantises by several scales, or computes with bytes, is refused by name") {
    const std::pair<const char*, const char*> refusals[] = {
        {"refused_scales", "d (DequantizeLinear): quantises activations by several scales"},
        {"refused_join", "join (Concat): joins numbers of several scales"},
        {"refused_int32", "conv (ConvInteger): gives int32 that something else than a Cast reads"},
    };
    for (const auto& [name, message] : refusals) {
        CAPTURE(name);
        Graph graph = folded(name);
        const Status status = optimise(graph);
        CHECK_THAT(status.message(), Catch::Contains(message));
        CHECK(!status.problem().remedy.empty());
    }
}
