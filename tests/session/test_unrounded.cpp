#include <catch2/catch.hpp>

#include <cstring>

#include "session/cases.h"

/// Quantised networks in float32, against ONNX Runtime on the same files with a Clip in place of
/// each QuantizeLinear.
using namespace sluice;
using namespace sluice::session_test;

TEST_CASE("without int8 a quantised network is computed in float32, clamped and not rounded") {
    const std::vector<Case> cases = read_cases("unrounded");
    REQUIRE(cases.size() >= 3);
    for (const std::string& target : possible_targets()) {
        for (const Case& c : cases) {
            CAPTURE(target, c.name);
            const auto model = Model::load(c.model, {.target = target, .int8 = false});
            INFO(model.status().message());
            REQUIRE(model.ok());
            for (const StepInfo& step : model->steps()) {
                CHECK(step.kernel.find("int8") == std::string::npos);
            }
            const Model rounded = load(c.model, target);
            CHECK(model->gates().size() == rounded.gates().size());
            Session session = open(model.value());
            const Array y = run(session, c.x, c.y.shape, 1);
            CHECK(relative(y.values.data(), c.y.values.data(), y.values.size()) < 1e-4);
        }
    }
}
