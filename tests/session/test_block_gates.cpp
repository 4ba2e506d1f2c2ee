#include <catch2/catch.hpp>

#include "session/cases.h"

namespace {

using namespace sluice;
using namespace sluice::session_test;

/// What the last run spent on a layer under a gate.
std::int64_t macs_of_layer(const Model& model, const Session& session, const std::string& layer) {
    std::int64_t macs = 0;
    const auto steps = model.steps();
    for (std::size_t i = 0; i < steps.size(); ++i) {
        macs += steps[i].node == layer ? session.steps()[i].macs : 0;
    }
    return macs;
}

/// Compares the MACs of a run with what the gates have left; returns how many layers were skipped.
int check_macs(const Model& model, const Session& session) {
    std::int64_t expected = model.macs() + model.lccl_macs();
    int skipped = 0;
    for (std::size_t i = 0; i < model.gates().size(); ++i) {
        const GateInfo& gate = model.gates()[i];
        const GateReading& reading = session.gates()[i];
        const std::int64_t macs = macs_of_layer(model, session, gate.layer);
        INFO(gate.layer);
        REQUIRE(gate.macs % reading.total == 0);
        const bool by_pairs = macs_of(model, session, gate.layer, Algorithm::sparse_conv) > 0;
        CHECK((by_pairs || macs == gate.macs / reading.total * reading.active));
        expected -= gate.macs - macs;
        skipped += reading.active == 0;
    }
    CHECK(session.macs_executed() == expected);
    return skipped;
}

}  // namespace

TEST_CASE("each layer of a block costs what the block's gate leaves of it") {
    for (const std::string& target : possible_targets()) {
        for (const char* form : {"post", "bare", "bottleneck", "bare_bottleneck"}) {
            for (const char* grain : {"1", "2", "4", "8", "map"}) {
                const Case c = read_case(std::string("block_") + form + "_" + grain + "_16");
                const Model model = load(c.model, target);
                Session session = open(model, {.record_steps = true});
                INFO(c.name << " on " << target << "\n" << model.explain());
                int skipped = 0;
                run_each(session, c, [&] { skipped += check_macs(model, session); });
                CHECK((grain != std::string("map") || skipped > 0));
            }
        }
    }
}
