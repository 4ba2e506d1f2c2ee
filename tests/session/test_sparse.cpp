#include <catch2/catch.hpp>

#include <cstddef>
#include <string>

#include "session/cases.h"

namespace {

using namespace sluice;
using namespace sluice::session_test;

/// Pairs of an active output and an active input, one pixel away at most, of two maps of gates.
std::int64_t count_pairs(const float* from, const float* to, int height, int width) {
    std::int64_t pairs = 0;
    for (int i = 0; i < height * width; ++i) {
        for (int tap = 0; tap < 9 && to[i] != 0; ++tap) {
            const int y = i / width + tap / 3 - 1, x = i % width + tap % 3 - 1;
            const bool is_inside = y >= 0 && y < height && x >= 0 && x < width;
            pairs += is_inside && from[y * width + x] != 0;
        }
    }
    return pairs;
}

/// How many layers have a choice, and how many runs of them took the pairs, and another way.
struct Choices {
    int layers = 0, pairs = 0, others = 0;
};

/// Holds what each layer of a run executed against the values of its gate and of that before it.
void check_choices(const Model& model, const Session& session, Choices& choices) {
    choices.layers = 0;
    for (std::size_t g = 0; g < model.gates().size(); ++g) {
        const GateInfo& gate = model.gates()[g];
        if (steps_of(model, gate.layer, Algorithm::sparse_conv).empty()) {
            continue;
        }
        REQUIRE(g > 0);
        const GateReading &before = session.gates()[g - 1], &reading = session.gates()[g];
        REQUIRE(before.total == reading.total);
        const std::int64_t each = gate.macs / reading.total;
        const std::int64_t pairs = count_pairs(before.values.data(), reading.values.data(),
                                               int(gate.height), int(gate.width));
        const std::int64_t sparse = macs_of(model, session, gate.layer, Algorithm::sparse_conv);
        const std::int64_t others = macs_of(model, session, gate.layer, Algorithm::winograd_conv) +
                                    macs_of(model, session, gate.layer, Algorithm::gated_conv);
        INFO(gate.layer << ": " << pairs << " pairs, " << reading.active << " active");
        CHECK((sparse == 0 || others == 0));
        CHECK((sparse == 0 || sparse == pairs * each / 9));
        CHECK((others == 0 || others == reading.active * each));
        CHECK((sparse > 0 || others > 0 || pairs == 0));
        ++choices.layers;
        choices.pairs += sparse > 0;
        choices.others += others > 0;
    }
}

}  // namespace

TEST_CASE("each run computes a layer over a gated input by pairs where they are few") {
    for (const std::string& target : possible_targets()) {
        Choices choices;
        for (const char* name : {"pairs_5x2", "pairs_7x9", "pairs_16x16"}) {
            INFO(name << " on " << target);
            const Case c = read_case(name);
            for (const bool winograd : {true, false}) {
                const Model model = load(c.model, target, winograd);
                Session session = open(model, {.record_gates = true, .record_steps = true});
                run_each(session, c, [&] {
                    check_choices(model, session, choices);
                    // Of every block the second layer, and nothing else.
                    CHECK(choices.layers == 12);
                });
            }
        }
        INFO(target);
        CHECK(choices.pairs > 0);
        CHECK(choices.others > 0);
    }
}

TEST_CASE("any number of threads gives the same outputs where pairs are computed") {
    for (const char* name : {"pairs_7x9", "pairs_16x16"}) {
        const Case c = read_case(name);
        for (const std::string& target : possible_targets()) {
            const Model model = load(c.model, target);
            Session one = open(model);
            const Array expected = run(one, c.x, c.y.shape, 1);
            for (const int threads : shared_among()) {
                INFO(name << " on " << target << ", " << threads << " threads");
                Session session = open(model, {.threads = threads});
                const Array got = run(session, c.x, c.y.shape, 1);
                const bool is_same = got.values == expected.values;
                CHECK(is_same);
                CHECK(session.macs_executed() == one.macs_executed());
            }
        }
    }
}
