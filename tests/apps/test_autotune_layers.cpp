#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <set>
#include <vector>

#include "autotune/layer_case.h"
#include "autotune/workload.h"

using namespace sluice;
using namespace sluice::autotune;

/// Layers as they are timed.
namespace {

std::vector<const void*> weights_seen;
KernelFunction computes = nullptr;

/// The plan's kernel, which also notes where its weights lie: argument 2 of a convolution.
int noting(void** arguments) {
    weights_seen.push_back(static_cast<const halide_buffer_t*>(arguments[2])->host);
    return computes(arguments);
}

Workload dense_workload() {
    const auto target = choose_target("");
    REQUIRE(target.ok());
    const auto catalogue = read_catalogue(SLUICE_SOURCE, target.value()->id);
    REQUIRE(catalogue.ok());
    const std::filesystem::path model =
        std::filesystem::path(SLUICE_SOURCE) / "models/resnet20_dense_cifar10.onnx";
    auto workload = find_workload({model}, *target.value(), catalogue.value(), std::nullopt);
    REQUIRE(workload.ok());
    return std::move(workload).value();
}

}  // namespace

TEST_CASE("a call goes round copies of its weights that weigh what the network's do") {
    const Workload workload = dense_workload();
    for (const char* kernel : {"gated_conv_f32_3x3_c16_none", "winograd_conv_f32_3x3_c16_none"}) {
        INFO(kernel);
        const auto layer =
            std::find_if(workload.layers.begin(), workload.layers.end(),
                         [&](const Layer& l) { return l.kernel == kernel && l.uses[0] == 6; });
        REQUIRE(layer != workload.layers.end());
        CHECK(layer->network_bytes == 0);  // a small network's stay in the caches
        // 16 x 16 x 9 weights, or 36 points of each; and a part of one more.
        const bool is_winograd = kernel[0] == 'w';
        const std::size_t bytes = std::size_t{16} * 16 * (is_winograd ? 36 : 9) * sizeof(float);
        for (const std::size_t copies : {std::size_t{1}, std::size_t{5}}) {
            const LayerCase from(layer->step, layer->loads, 1, copies == 1 ? 0 : 5 * bytes + 64);
            computes = from.step().kernel->function;
            Call call(from, noting, from.step().kernel->block());
            weights_seen.clear();
            for (std::size_t run = 0; run < copies; ++run) {
                call.prepare(0);
                call.run();
                CHECK(call.check(0) == "");
            }
            CHECK(std::set<const void*>(weights_seen.begin(), weights_seen.end()).size() == copies);
            call.run();
            CHECK(weights_seen.back() == weights_seen.front());
        }
    }
}
