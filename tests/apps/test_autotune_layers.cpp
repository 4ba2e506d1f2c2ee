#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "autotune/layer_case.h"
#include "autotune/workload.h"
#include "common/inputs.h"
#include "sluice/session.h"

using namespace sluice;
using namespace sluice::autotune;

/// Layers as they are timed.
namespace {

const std::filesystem::path source = SLUICE_SOURCE;
const std::filesystem::path demo = source / "tests/networks/resnet20_lccl_cifar10.onnx";
const std::filesystem::path samples = source / "apps/samples";

Workload workload_of(const char* model, const std::optional<std::filesystem::path>& data = {}) {
    const auto target = choose_target("");
    REQUIRE(target.ok());
    const auto catalogue = read_catalogue(source, *target.value());
    REQUIRE(catalogue.ok());
    auto workload = find_workload({source / model}, *target.value(), catalogue.value(), data);
    REQUIRE(workload.ok());
    return std::move(workload).value();
}

std::vector<const Layer*> layers_of(const Workload& workload, Algorithm algorithm) {
    std::vector<const Layer*> layers;
    for (const Layer& layer : workload.layers) {
        if (layer.kernel->algorithm == algorithm) {
            layers.push_back(&layer);
        }
    }
    return layers;
}

std::vector<const void*> weights_seen;
KernelFunction computes = nullptr;

/// The build's kernel, which also notes where its weights lie.
template <template <typename> typename Call>
int noting(void** arguments) {
    constexpr int weights = index_of(&Call<halide_buffer_t*>::weights);
    weights_seen.push_back(static_cast<const halide_buffer_t*>(arguments[weights])->host);
    return computes(arguments);
}

/// The active positions of a square map.
std::set<int> active(const Gate& gate) {
    std::set<int> positions;
    for (std::size_t i = 0; i < gate.size(); ++i) {
        if (gate[i] != 0) {
            positions.insert(int(i));
        }
    }
    return positions;
}

/// An active input and an active output of 3x3 windows, whatever the border.
int count_pairs(const std::set<int>& inputs, const std::set<int>& outputs, int width) {
    int pairs = 0;
    for (const int output : outputs) {
        for (const int input : inputs) {
            pairs += std::abs(output / width - input / width) <= 1 &&
                     std::abs(output % width - input % width) <= 1;
        }
    }
    return pairs;
}

int side_of(const Gate& gate) { return int(std::lround(std::sqrt(double(gate.size())))); }

/// What two gates after each other let through on an image.
using TwoGates = std::pair<std::set<int>, std::set<int>>;

/// Of all images in the samples and all neighbours among the demo's gates.
std::set<TwoGates> demo_gates() {
    const auto model = Model::load(demo, {});
    REQUIRE(model.ok());
    const auto inputs = apps::make_inputs(model.value(), samples, 1);
    REQUIRE(inputs.ok());
    auto session = Session::create(model.value(), {1, true});
    REQUIRE(session.ok());
    const std::vector<std::int64_t> shape = {1, 3, 32, 32}, scores_shape = {1, 10};
    std::vector<float> scores(10);
    std::set<TwoGates> seen;
    for (std::size_t first = 0; first < inputs->values.size(); first += 3 * 32 * 32) {
        const TensorView in{inputs->values.data() + first, shape};
        const MutableTensorView out{scores.data(), scores_shape};
        REQUIRE(session->run({&in, 1}, {&out, 1}).ok());
        std::set<int> before;
        for (const GateReading& gate : session->gates()) {
            std::set<int> after = active(Gate(gate.values.begin(), gate.values.end()));
            seen.insert({before, after});
            before = std::move(after);
        }
    }
    return seen;
}

}  // namespace

TEST_CASE("a call goes round copies of its weights that weigh what the network's do") {
    Workload workload = workload_of("models/resnet20_dense_cifar10.onnx");
    const std::pair<Algorithm, KernelFunction> kernels[] = {
        {Algorithm::gated_conv, noting<GatedConvCall>},
        {Algorithm::winograd_conv, noting<WinogradConvCall>}};
    for (const auto& [algorithm, noting_kernel] : kernels) {
        const auto layers = layers_of(workload, algorithm);
        const auto found = std::find_if(layers.begin(), layers.end(), [](const Layer* layer) {
            return layer->shape == "16x32x32 -> 16x32x32, 3x3";
        });
        REQUIRE(found != layers.end());
        Layer layer = **found;
        INFO(layer.name);
        CHECK(layer.uses == std::vector{6});
        CHECK(layer.network_bytes == 0);  // a small network's stay in the caches
        // 16 x 16 x 9 weights, or 36 points of each; and a part of one more.
        const std::size_t bytes =
            std::size_t{16} * 16 * (algorithm == Algorithm::winograd_conv ? 36 : 9) * sizeof(float);
        for (const std::size_t copies : {std::size_t{1}, std::size_t{5}}) {
            layer.network_bytes = copies == 1 ? 0 : 5 * bytes + 64;
            const LayerCase from(layer);
            Kernel kernel = *layer.kernel;
            computes = kernel.function;
            kernel.function = noting_kernel;
            const Call call = from.start(kernel);
            REQUIRE(call.run);
            weights_seen.clear();
            for (std::size_t run = 0; run < copies; ++run) {
                CHECK(from.check(*call.run, 0) == "");
            }
            CHECK(std::set<const void*>(weights_seen.begin(), weights_seen.end()).size() == copies);
            call.run->run();
            CHECK(weights_seen.back() == weights_seen.front());
        }
    }
}

TEST_CASE("a layer's ways are timed on the same gates") {
    const Workload workload = workload_of("tests/networks/resnet20_lccl_cifar10.onnx");
    int compared = 0;
    for (const Layer* winograd : layers_of(workload, Algorithm::winograd_conv)) {
        for (const Layer* direct : layers_of(workload, Algorithm::gated_conv)) {
            if (direct->shape != winograd->shape ||
                direct->kernel->gate != winograd->kernel->gate) {
                continue;
            }
            INFO(winograd->name << ", " << direct->name);
            ++compared;
            CHECK(winograd->uses == direct->uses);
            REQUIRE(winograd->loads.size() == 3);
            for (std::size_t i = 0; i < 3; ++i) {
                const Load &load = winograd->loads[i], &other = direct->loads[i];
                REQUIRE(load.gates.size() == 1);
                CHECK(load.gates == other.gates);
                const auto positions = std::int64_t(active(*load.gates[0]).size());
                const double all = double(load.gates[0]->size());
                CHECK(positions == std::lround(all * (i == 0 ? 1 : i == 1 ? 0.5 : 0.2)));
                CHECK(load.outputs == positions);
                CHECK(other.entries == positions);
                CHECK(load.macs == other.macs);
                CHECK(load.density == Approx(double(positions) / all));
            }
            // Four by four outputs each.
            CHECK(winograd->loads[0].entries * 16 == direct->loads[0].entries);
        }
    }
    CHECK(compared == 5);  // three of stride 1, two of stride 2
}

TEST_CASE("pairs are of two layers' gates on the same image") {
    const Workload workload = workload_of("tests/networks/resnet20_lccl_cifar10.onnx", samples);
    const std::set<TwoGates> seen = demo_gates();
    const auto layers = layers_of(workload, Algorithm::sparse_conv);
    REQUIRE(layers.size() == 3);
    for (const Layer* layer : layers) {
        INFO(layer->name);
        REQUIRE(layer->loads.size() == 3);
        for (const Load& load : layer->loads) {
            REQUIRE(load.gates.size() == 2);
            const std::set<int> inputs = active(*load.gates[0]), outputs = active(*load.gates[1]);
            CHECK(seen.contains({inputs, outputs}));
            CHECK(load.entries == std::int64_t(outputs.size()));
            CHECK(load.outputs == count_pairs(inputs, outputs, side_of(*load.gates[0])));
        }
        CHECK(layer->loads[0].outputs > layer->loads[2].outputs);
    }
}

TEST_CASE("without images the gates of two layers are drawn independently") {
    const Workload workload = workload_of("tests/networks/resnet20_lccl_cifar10.onnx");
    const auto layers = layers_of(workload, Algorithm::sparse_conv);
    REQUIRE(layers.size() == 3);
    for (const Layer* layer : layers) {
        INFO(layer->name);
        REQUIRE(layer->loads.size() == 3);
        const double side = side_of(*layer->loads[0].gates[0]);
        // All but the taps beyond the border.
        CHECK(layer->loads[0].density ==
              Approx((3 * side - 2) * (3 * side - 2) / (9 * side * side)));
        for (const Load& load : layer->loads) {
            CHECK(active(*load.gates[0]).size() == active(*load.gates[1]).size());
        }
        CHECK(active(*layer->loads[1].gates[0]) != active(*layer->loads[1].gates[1]));
        CHECK(active(*layer->loads[2].gates[0]) != active(*layer->loads[2].gates[1]));
    }
}
