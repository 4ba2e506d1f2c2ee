#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>

#include "session/cases.h"

namespace {

using namespace sluice;
using namespace sluice::session_test;

/// Of the largest score of an image.
constexpr double score_tolerance = 1e-4;
// A gate is what a batch norm leaves of a sum, a mean of ten and more taken away, times its gain.
constexpr double gate_value_tolerance = 5e-4;
/// A gate this near to zero may round to either side of it.
constexpr double gate_tolerance = 1e-5;

/// How far a run is from ONNX Runtime's.
struct Difference {
    double scores = 0;            ///< the largest, over the largest score of the image
    double gates = 0;             ///< the largest, over the largest value of the gate
    std::int64_t positions = 0;   ///< of all gates
    std::int64_t differ = 0;      ///< active here and skipped there, or the reverse
    std::int64_t differ_far = 0;  ///< those of them that are not near zero
    std::int64_t near_zero = 0;   ///< active on either side by no more than the tolerance
};

void compare_gate(const GateReading& reading, const float* expected, Difference& difference) {
    const std::size_t count = reading.values.size();
    std::int64_t active = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const double larger = std::max(reading.values[i], expected[i]);
        const bool differs = (reading.values[i] != 0) != (expected[i] != 0);
        const bool is_near = larger > 0 && larger <= gate_tolerance;
        active += reading.values[i] != 0;
        difference.differ += differs;
        difference.differ_far += differs && !is_near;
        difference.near_zero += is_near;
    }
    difference.positions += std::int64_t(count);
    difference.gates = std::max(difference.gates, relative(reading.values.data(), expected, count));
    CHECK(reading.active == active);
    CHECK(reading.total == std::int64_t(count));
}

const GateReading& reading_of(const Model& model, const Session& session,
                              const std::string& layer) {
    for (std::size_t i = 0; i < model.gates().size(); ++i) {
        if (model.gates()[i].layer == layer) {
            return session.gates()[i];
        }
    }
    FAIL("the gate of " << layer << " was not fused:\n" << model.explain());
    std::abort();
}

/// Leaves NaN wherever a run writes, which the next must not read.
void spoil(Session& session, const Case& c, std::int64_t batch) {
    Array x(c.x.part(batch));
    std::fill(x.values.begin(), x.values.end(), std::nanf(""));
    run(session, x, c.y.part(batch), batch);
}

Difference compare(const Case& c, const Model& model) {
    Session session = open(model, {.record_gates = true});
    const std::int64_t batch = c.gates.empty() ? c.x.images() : 1;
    spoil(session, c, batch);
    Difference difference;
    const Extents x_part = c.x.part(batch), y_part = c.y.part(batch);
    Array y(y_part);
    for (std::int64_t first = 0; first < c.x.images(); first += batch) {
        const TensorView input = c.x.view(first, x_part);
        const MutableTensorView output = y.mutable_view(0, y_part);
        std::fill(y.values.begin(), y.values.end(), std::nanf(""));
        const Status status = session.run({&input, 1}, {&output, 1});
        INFO(status.message());
        REQUIRE(status.ok());
        const std::size_t size = y.image_size();
        for (std::int64_t i = 0; i < batch; ++i) {
            const float* expected = c.y.image(first + i);
            const float* actual = y.image(i);
            difference.scores = std::max(difference.scores, relative(actual, expected, size));
        }
        for (const RecordedGate& gate : c.gates) {
            const GateReading& reading = reading_of(model, session, gate.layer);
            REQUIRE(reading.values.size() == gate.values.image_size());
            compare_gate(reading, gate.values.image(first), difference);
        }
    }
    return difference;
}

void check(const Difference& difference) {
    CHECK(difference.scores <= score_tolerance);
    CHECK(difference.gates <= gate_value_tolerance);
    CHECK(difference.differ_far == 0);
}

/// Compares it with and without Winograd, where that makes a difference.
template <typename Report>
void compare_both(const Case& c, const std::string& target, Report report) {
    for (const bool winograd : {true, false}) {
        const Model model = load(c.model, target, winograd);
        CHECK(model.target() == target);
        CHECK((winograd || !uses_winograd(model)));
        INFO(c.name << " on " << target << (winograd ? "" : " without Winograd"));
        const Difference difference = compare(c, model);
        check(difference);
        report(difference, winograd);
        if (!uses_winograd(model)) {
            return;
        }
    }
}

}  // namespace

TEST_CASE("small networks give ONNX Runtime's outputs and masks") {
    const std::vector<Case> cases = read_cases("small");
    for (const std::string& target : float_targets()) {
        Difference worst;
        int with_winograd = 0;
        for (const Case& c : cases) {
            compare_both(c, target, [&](const Difference& difference, bool winograd) {
                worst.scores = std::max(worst.scores, difference.scores);
                worst.differ += difference.differ;
                with_winograd += !winograd;
            });
        }
        CHECK(with_winograd > 0);
        std::cout << target << ": " << cases.size() << " small networks, " << with_winograd
                  << " of them with Winograd, outputs within " << worst.scores << ", "
                  << worst.differ << " gate positions differ\n";
    }
}

TEST_CASE("the networks of models give ONNX Runtime's scores and masks") {
    const std::vector<Case> cases = read_cases("network", compared_images());
    for (const std::string& target : float_targets()) {
        for (const Case& c : cases) {
            compare_both(c, target, [&](const Difference& difference, bool winograd) {
                std::cout << c.name << " on " << target << (winograd ? "" : " without Winograd")
                          << ": " << c.x.images() << " images, scores within " << difference.scores
                          << ", " << difference.differ << " of " << difference.positions
                          << " gate positions differ, " << difference.near_zero << " are within "
                          << gate_tolerance << " of zero, " << difference.differ_far
                          << " differ farther from it\n";
            });
        }
    }
}

TEST_CASE("the comparison sees a wrong score, a wrong gate and a NaN") {
    const std::vector<float> expected = {0, 2, -4, 0.5e-5F};
    CHECK(relative(std::vector{0.F, 2.F, -4.004F, 0.F}.data(), expected.data(), 4) ==
          Approx(1e-3).epsilon(1e-3));
    CHECK(relative(std::vector{0.F, std::nanf(""), -4.F, 0.F}.data(), expected.data(), 4) ==
          std::numeric_limits<double>::infinity());
    const std::vector<float> gate = {0, 0, 1, 0.9e-5F}, other = {0, 0.25F, 1, 0};
    GateReading reading{2, 4, gate};
    Difference difference;
    compare_gate(reading, other.data(), difference);
    CHECK(difference.differ == 2);
    CHECK(difference.differ_far == 1);
    CHECK(difference.near_zero == 1);
    CHECK(difference.positions == 4);
}
