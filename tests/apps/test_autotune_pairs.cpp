#include <catch2/catch.hpp>

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "autotune/pair_search.h"
#include "autotune/pairs.h"
#include "autotune/workload.h"
#include "benchmark/inputs.h"
#include "sluice/session.h"

using namespace sluice;
using namespace sluice::autotune;

/// What sparse_conv is timed on.
namespace {

const std::filesystem::path source = SLUICE_SOURCE;
const std::filesystem::path demo = source / "models" / "resnet20_lccl_cifar10.onnx";
const std::filesystem::path samples = source / "apps" / "samples";

Workload demo_workload(const std::optional<std::filesystem::path>& data) {
    const auto target = choose_target("");
    REQUIRE(target.ok());
    const auto catalogue = read_catalogue(source, target.value()->id);
    REQUIRE(catalogue.ok());
    auto workload = find_workload({demo}, *target.value(), catalogue.value(), data);
    REQUIRE(workload.ok());
    return std::move(workload).value();
}

std::vector<const Layer*> sparse_layers(const Workload& workload) {
    std::vector<const Layer*> layers;
    for (const Layer& layer : workload.layers) {
        if (layer.step.kernel->algorithm == Algorithm::sparse_conv) {
            layers.push_back(&layer);
        }
    }
    return layers;
}

/// What two gates after each other open on a picture.
using TwoGates = std::pair<List, List>;

/// Of all pictures in the samples and all neighbours among the demo's gates.
std::set<TwoGates> demo_gates() {
    const auto model = Model::load(demo, {});
    REQUIRE(model.ok());
    const auto inputs = benchmark::make_inputs(model.value(), samples, 1);
    REQUIRE(inputs.ok());
    REQUIRE(inputs->source == "pictures");
    auto session = Session::create(model.value(), {1, true});
    REQUIRE(session.ok());
    const std::vector<std::int64_t> shape = {1, 3, 32, 32}, scores_shape = {1, 10};
    std::vector<float> scores(10);
    std::set<TwoGates> seen;
    for (std::int64_t picture = 0; picture < inputs->pictures; ++picture) {
        const TensorView in{inputs->values.data() + picture * 3 * 32 * 32, shape};
        const MutableTensorView out{scores.data(), scores_shape};
        REQUIRE(session->run({&in, 1}, {&out, 1}).ok());
        List before;
        for (std::size_t gate = 0; gate < model->gates().size(); ++gate) {
            const auto width = std::size_t(model->gates()[gate].width);
            const auto values = session->gates()[gate].values;
            List open;
            for (std::size_t i = 0; i < values.size(); ++i) {
                if (values[i] != 0) {
                    open.push_back(std::uint32_t(i / width << 16 | i % width));
                }
            }
            seen.insert({before, open});
            before = std::move(open);
        }
    }
    return seen;
}

}  // namespace

TEST_CASE("pairs are those of an open input and an open output, tap by tap") {
    const auto at = [](std::uint32_t x, std::uint32_t y) { return y << 16 | x; };
    // The corners and the centre of 3x3 read a corner and the end of a row; rows of five pixels.
    const List inputs = {at(0, 0), at(2, 1)};
    const List outputs = {at(0, 0), at(2, 0), at(1, 1), at(0, 2), at(2, 2)};
    const Pairs pairs = list_pairs(inputs, outputs, 5);
    const Pairs wanted = {List{6}, {12}, {}, {}, {0}, {6}, {}, {2}, {}};
    CHECK(pairs == wanted);
    CHECK(count_pairs(pairs) == 5);
    CHECK(count_pairs(list_pairs({}, outputs, 5)) == 0);
}

TEST_CASE("pairs are of two layers' gates on the same picture") {
    const Workload workload = demo_workload(samples);
    const std::set<TwoGates> seen = demo_gates();
    const std::vector<const Layer*> layers = sparse_layers(workload);
    REQUIRE(layers.size() == 3);
    for (const Layer* layer : layers) {
        INFO(layer->kernel);
        REQUIRE(layer->loads.size() == 3);
        for (const Load& load : layer->loads) {
            CHECK(seen.contains({load.inputs, load.list}));
            CHECK(load.open == count_pairs(list_pairs(load.inputs, load.list, 40)));
            PairSearch search(layer->step, load);
            search.run();
            CHECK(search.count() == load.open);
        }
        CHECK(layer->loads[0].open > layer->loads[2].open);
    }
}

TEST_CASE("without pictures the gates of two layers are drawn independently") {
    const Workload workload = demo_workload(std::nullopt);
    const std::vector<const Layer*> layers = sparse_layers(workload);
    REQUIRE(layers.size() == 3);
    for (const Layer* layer : layers) {
        INFO(layer->kernel);
        REQUIRE(layer->loads.size() == 3);
        const auto side =
            static_cast<double>(std::get<Buffer>(layer->step.arguments.back()).axes[1].extent);
        // All but the taps beyond the border.
        CHECK(layer->loads[0].density ==
              Approx((3 * side - 2) * (3 * side - 2) / (9 * side * side)));
        for (const Load& load : layer->loads) {
            CHECK(load.inputs.size() == load.list.size());
        }
        CHECK(layer->loads[1].inputs != layer->loads[1].list);
        CHECK(layer->loads[2].inputs != layer->loads[2].list);
    }
}
