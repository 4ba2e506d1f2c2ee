#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "session/cases.h"

namespace {

using namespace sluice;
using namespace sluice::session_test;

constexpr double tolerance = 1e-4;

/// What the session makes of x, where the expected outputs say how much there is of it.
std::vector<Array> outputs_of(Session& session, const Array& x,
                              const std::vector<Array>& expected) {
    std::vector<Array> outputs;
    for (const Array& y : expected) {
        outputs.emplace_back(y.shape);
        std::fill(outputs.back().values.begin(), outputs.back().values.end(), std::nanf(""));
    }
    const TensorView input = x.view(0, x.shape);
    std::vector<MutableTensorView> views;
    for (Array& y : outputs) {
        views.push_back(y.mutable_view(0, y.shape));
    }
    const Status status = session.run({&input, 1}, views);
    INFO(status.message());
    REQUIRE(status.ok());
    return outputs;
}

/// The largest difference of two runs, of which the first one spoils all memory that it writes.
double difference(Session& session, const LayoutCase& c) {
    Array spoilt(c.x.shape);
    std::fill(spoilt.values.begin(), spoilt.values.end(), std::nanf(""));
    outputs_of(session, spoilt, c.outputs);
    double worst = 0;
    for (int i = 0; i < 2; ++i) {
        const std::vector<Array> outputs = outputs_of(session, c.x, c.outputs);
        for (std::size_t y = 0; y < outputs.size(); ++y) {
            worst = std::max(worst, relative(outputs[y].values.data(), c.outputs[y].values.data(),
                                             outputs[y].values.size()));
        }
    }
    return worst;
}

}  // namespace

TEST_CASE("one channel, aliases, crops, phases and batches give ONNX Runtime's outputs") {
    const std::vector<LayoutCase> cases = read_layout_cases();
    for (const std::string& target : possible_targets()) {
        double worst = 0;
        for (const LayoutCase& c : cases) {
            for (const int threads : {1, 3}) {
                // Of a cache of nothing all that can runs in turns.
                const std::int64_t cache_bytes = threads == 1 ? 0 : ModelOptions{}.cache_bytes;
                INFO(c.name << " on " << target << ", " << threads << " threads");
                Session session =
                    open(load(c.model, target, true, cache_bytes), {.threads = threads});
                const double found = difference(session, c);
                CHECK(found <= tolerance);
                worst = std::max(worst, found);
            }
        }
        std::cout << target << ": " << cases.size() << " layouts, outputs within " << worst << "\n";
    }
}

TEST_CASE("a network that mixes the images of a batch takes one at a time and says why") {
    for (const Case& c : read_cases("mixing")) {
        for (const std::string& target : possible_targets()) {
            INFO(c.name << " on " << target);
            const Model model = load(c.model, target);
            CHECK(model.inputs()[0].shape[0].size == 1);
            Session session = open(model);
            const Array y = run(session, c.x, c.y.shape, 1);
            CHECK(relative(y.values.data(), c.y.values.data(), y.values.size()) <= tolerance);
            Array all(c.y.shape);
            const TensorView input = c.x.view(0, c.x.shape);
            const MutableTensorView output = all.mutable_view(0, c.y.shape);
            const Status status = session.run({&input, 1}, {&output, 1});
            REQUIRE(!status.ok());
            const std::string message = status.message();
            CAPTURE(message);
            CHECK(message.find("x: has the shape [3, 4, 5, 6] and needs [1, 4, 5, 6], because n") !=
                  std::string::npos);
            CHECK(message.find(" mixes the images of a batch; ") != std::string::npos);
        }
    }
}
