#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

#include "session/cases.h"

namespace {

using namespace sluice;
using namespace sluice::session_test;

/// Elements that are not ONNX Runtime's: NaN and infinities where it has them, and nowhere else.
int count_wrong(const Array& got, const Array& want) {
    constexpr float overflowing =
        1e30F;  // near the largest number, which bounds a Clip without one
    float largest = 1;
    for (const float value : want.values) {
        largest = std::abs(value) < overflowing ? std::max(largest, std::abs(value)) : largest;
    }
    int wrong = 0;
    for (std::size_t i = 0; i < want.values.size(); ++i) {
        const float a = got.values[i], b = want.values[i];
        const bool is_near = a == b || std::abs(a - b) <= 1e-5F * largest;
        wrong += std::isnan(b) ? !std::isnan(a) : !is_near;
    }
    return wrong;
}

/// NaN of ONNX Runtime's output that are numbers here.
int count_lost(const Array& got, const Array& want) {
    int lost = 0;
    for (std::size_t i = 0; i < want.values.size(); ++i) {
        lost += std::isnan(want.values[i]) && !std::isnan(got.values[i]);
    }
    return lost;
}

}  // namespace

TEST_CASE("NaN and infinities of inputs and weights come out as from ONNX Runtime") {
    for (const Case& c : read_cases("nan")) {
        for (const std::string& target : possible_targets()) {
            INFO(c.name << ", " << target);
            const Model model = load(c.model, target, false);
            Session session = open(model);
            CHECK(count_wrong(run(session, c.x, c.y.shape, 1), c.y) == 0);
        }
    }
}

// Tiles spread what is not finite, and lose none of it; weights that are not finite have no tiles.
TEST_CASE("NaN of inputs and weights come through Winograd's tiles") {
    int tiled = 0;
    for (const Case& c : read_cases("nan")) {
        for (const std::string& target : possible_targets()) {
            INFO(c.name << ", " << target);
            const Model model = load(c.model, target);
            Session session = open(model);
            const Array y = run(session, c.x, c.y.shape, 1);
            tiled += uses_winograd(model);
            CHECK((uses_winograd(model) ? count_lost(y, c.y) : count_wrong(y, c.y)) == 0);
        }
    }
    CHECK(tiled > 0);
}
