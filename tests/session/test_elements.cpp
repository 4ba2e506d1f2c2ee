#include <catch2/catch.hpp>

#include <algorithm>
#include <string>

#include "session/cases.h"

namespace {

using namespace sluice;
using namespace sluice::session_test;

/// How many gated layers were computed by their list of active elements, and how many densely.
struct Choices {
    int listed = 0, dense = 0;
};

/// Each layer of a run is computed in one of the two ways, whole, and counts what its gate let
/// through.
void check_choices(const Model& model, const Session& session, Choices& choices) {
    for (std::size_t g = 0; g < model.gates().size(); ++g) {
        const GateInfo& gate = model.gates()[g];
        const GateReading& reading = session.gates()[g];
        const auto active = std::count_if(reading.values.begin(), reading.values.end(),
                                          [](float value) { return value != 0; });
        const std::int64_t listed =
            macs_of(model, session, gate.layer, Algorithm::dot_conv, GateForm::element);
        const std::int64_t dense =
            macs_of(model, session, gate.layer, Algorithm::gated_conv, GateForm::element) +
            macs_of(model, session, gate.layer, Algorithm::winograd_conv, GateForm::element);
        INFO(gate.layer << ": " << active << " of " << reading.total << " active");
        CHECK(reading.active == active);
        CHECK((listed == 0 || dense == 0));
        CHECK(listed + dense == (dense > 0 ? gate.macs : gate.macs / reading.total * active));
        choices.listed += listed > 0;
        choices.dense += dense > 0;
    }
}

}  // namespace

TEST_CASE("each run computes a layer with a gate per element by its list where few are active") {
    for (const std::string& target : possible_targets()) {
        Choices choices;
        for (const char* name : {"elements_9x7", "elements_16x16"}) {
            const Case c = read_case(name);
            const Model model = load(c.model, target);
            // The second session alone sees the gates' values, and both give the same outputs.
            Session plain = open(model);
            const Array expected = run(plain, c.x, c.y.shape, 1);
            Session session = open(model, {.record_gates = true, .record_steps = true});
            const Extents x_part = c.x.part(1), y_part = c.y.part(1);
            Array y(c.y.shape);
            for (std::int64_t image = 0; image < c.x.images(); ++image) {
                INFO(name << " on " << target << ", image " << image);
                const TensorView input = c.x.view(image, x_part);
                const MutableTensorView output = y.mutable_view(image, y_part);
                REQUIRE(session.run({&input, 1}, {&output, 1}).ok());
                check_choices(model, session, choices);
            }
            const bool is_same = y.values == expected.values;
            CHECK(is_same);
        }
        INFO(target);
        CHECK(choices.listed > 0);
        CHECK(choices.dense > 0);
    }
}
