#include <catch2/catch.hpp>

#include <fstream>
#include <set>
#include <vector>

#include "passes/load_graph.h"
#include "plan/plan.h"

namespace sluice {
namespace {

using Names = std::set<std::string>;

/// What a target would have if each kernel were for any layer: plans that take these show where
/// specialised ones would be of use. Of pairs there is no such kernel, and one without channels of
/// its own stands for it.
std::vector<Kernel> generic_kernels(const Target& target) {
    std::vector<Kernel> generic;
    bool has_pairs = false;
    for (Kernel kernel : kernels()) {
        if (!is_for(kernel, target)) {
            continue;
        }
        if (auto* pairs = std::get_if<PairsInfo>(&kernel.info); pairs != nullptr && !has_pairs) {
            pairs->channels = 0;
            has_pairs = true;
        }
        const bool is_generic = std::visit(
            [](auto& info) {
                if constexpr (requires { info.vectors; }) {
                    info.vectors = 1;
                }
                if constexpr (requires { info.channels; }) {
                    return info.channels == 0;
                }
                return true;
            },
            kernel.info);
        if (is_generic) {
            generic.push_back(kernel);
        }
    }
    return generic;
}

struct Class {
    std::string algorithm;
    std::int64_t window, stride, channels;
    bool is_square = true;
    bool has_gate = true;  ///< whether the gate's form is part of the kernel's name
};

Class class_of(const Step& step) {
    switch (step.kernel->algorithm) {
        case Algorithm::gated_conv: {
            const auto call = call_of<GatedConvCall>(step);
            const auto& axes = call.weights.axes;
            const std::int64_t window = axes[3].extent, channels = call.channel_stride;
            return {"gated_conv", window, 1, channels, axes[1].extent == window * channels};
        }
        case Algorithm::winograd_conv: {
            const auto& info = step.kernel->as<WinogradInfo>();
            const std::int64_t stride = info.stride;
            const std::int64_t depth = call_of<WinogradConvCall>(step).weights.axes[1].extent;
            return {"winograd_conv", stride * (info.taps - 1) + 1, stride,
                    depth / (stride * stride)};
        }
        case Algorithm::dot_conv: {
            const auto call = call_of<DotConvCall>(step);
            const auto& axes = call.weights.axes;
            const std::int64_t window = axes[1].extent, channels = call.channel_stride;
            return {"dot_conv", window, 1, channels, axes[0].extent == window * channels, false};
        }
        case Algorithm::sparse_conv:
            return {
                "sparse_conv", 3,    1, call_of<SparseConvCall>(step).weights.axes[1].extent / 3,
                true,          false};
        case Algorithm::branch: {
            const auto call = call_of<BranchCall>(step);
            const auto& axes = call.weights.axes;
            const std::int64_t window = axes[1].extent, channels = call.channel_stride;
            return {"branch", window, 1, channels, axes[0].extent == window * channels, false};
        }
        default:
            return {"", 0, 0, 0, false};
    }
}

/// The name of the kernel that a step would take if there were one for its channels; empty where
/// there cannot be one.
std::string specialised_name(const Step& step) {
    const Class found = class_of(step);
    if (!found.is_square) {
        return "";
    }
    const std::string extent = std::to_string(found.window);
    std::string name = found.algorithm + "_f32_" + extent + "x" + extent;
    if (found.stride > 1) {
        name += "_by" + std::to_string(found.stride);
    }
    name += "_c" + std::to_string(found.channels);
    const char* const gates[] = {"_none", "_position", "_group", "_element"};
    return name + (found.has_gate ? gates[int(step.kernel->gate)] : "");
}

Names planned(const Graph& graph, const Target& target) {
    const std::vector<Kernel> generic = generic_kernels(target);
    Names names;
    for (const WayId way : {WayId::direct, WayId::winograd, WayId::pairs, WayId::per_element}) {
        const auto plan = make_plan(graph, target, {.only = way, .kernels = generic});
        INFO(plan.status().message());
        REQUIRE(plan.ok());
        for (const Step& step : plan.value()->steps) {
            names.insert(specialised_name(step));
        }
    }
    names.erase("");
    return names;
}

Names listed(const std::string& file) {
    std::ifstream lines(file);
    REQUIRE(lines);
    Names names;
    for (std::string line; std::getline(lines, line);) {
        names.insert(line);
    }
    return names;
}

TEST_CASE("the build lists the layers of a network as the planner takes them") {
    std::ifstream cases(SLUICE_LAYER_CASES "/cases.txt");
    std::string target_id, list, model;
    std::set<std::string> walked;
    while (cases >> target_id >> list >> std::ws && std::getline(cases, model)) {
        for (const Target& target : targets()) {
            if (target_id != target.id) {
                continue;
            }
            INFO(model << ", " << target_id);
            const auto graph = load_graph(model);
            INFO(graph.status().message());
            REQUIRE(graph.ok());
            CHECK(listed(list) == planned(graph.value(), target));
            walked.insert(target_id);
        }
    }
    CHECK(walked.size() == targets().size());
}

}  // namespace
}  // namespace sluice
