#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <tuple>

#include "kernels/registry.h"
#include "session/cases.h"

namespace {

using namespace sluice;
using namespace sluice::session_test;

/// What one map of a position or group gate let through.
struct MapReading {
    int active = 0, tiles = 0;  ///< positions, and tiles of 4x4 where any is active
};

MapReading read_map(const float* map, int height, int width) {
    MapReading reading;
    reading.active = int(std::count_if(map, map + height * width, [](float g) { return g != 0; }));
    for (int row = 0; row < height; row += 4) {
        for (int column = 0; column < width; column += 4) {
            // The last tile of a row or column ends with the map.
            const int y = std::min(row, height - 4), x = std::min(column, width - 4);
            bool is_open = false;
            for (int i = 0; i < 16; ++i) {
                is_open = is_open || map[(y + i / 4) * width + x + i % 4] != 0;
            }
            reading.tiles += is_open;
        }
    }
    return reading;
}

/// How many maps were computed by tiles, and how many by positions.
struct Choices {
    int tiles = 0, positions = 0;
};

/// Holds each choice of a run against the gate's values and the kernel's break-even.
void check_choices(const Model& model, const Session& session, Choices& choices) {
    for (std::size_t g = 0; g < model.gates().size(); ++g) {
        const GateInfo& gate = model.gates()[g];
        const auto tiles = steps_of(model, gate.layer, Algorithm::winograd_conv);
        const auto positions = steps_of(model, gate.layer, Algorithm::gated_conv);
        if (tiles.empty()) {
            continue;
        }
        REQUIRE(tiles.size() == std::size_t(gate.groups));
        REQUIRE(positions.size() == tiles.size());
        const int height = int(gate.height), width = int(gate.width);
        const std::int64_t each = gate.macs / (gate.groups * height * width);
        for (std::size_t map = 0; map < tiles.size(); ++map) {
            const float* values =
                session.gates()[g].values.data() + std::ptrdiff_t(map) * height * width;
            const MapReading reading = read_map(values, height, width);
            const double break_even =
                kernel_named(model.steps()[tiles[map]].kernel).as<WinogradInfo>().break_even;
            const bool pays = reading.active > 16 * break_even * reading.tiles;
            INFO(gate.layer << ", map " << map << ": " << reading.active << " active in "
                            << reading.tiles << " tiles, break-even " << break_even);
            CHECK(session.steps()[tiles[map]].macs == (pays ? reading.active * each : 0));
            CHECK(session.steps()[positions[map]].macs == (pays ? 0 : reading.active * each));
            choices.tiles += pays;
            choices.positions += !pays;
        }
    }
}

}  // namespace

TEST_CASE("each run computes a gated layer by tiles where they pay, else by positions") {
    for (const std::string& target : possible_targets()) {
        Choices choices;
        for (const char* name : {"winograd_5x4", "winograd_11x13", "winograd_27x30"}) {
            INFO(name << " on " << target);
            const Case c = read_case(name);
            const Model model = load(c.model, target);
            Session session = open(model, {.record_gates = true, .record_steps = true});
            run_each(session, c, [&] { check_choices(model, session, choices); });
        }
        INFO(target);
        CHECK(choices.tiles > 0);
        CHECK(choices.positions > 0);
    }
}

TEST_CASE("layers of any channels are computed by Winograd's generic kernels") {
    const Case c = read_case("winograd_channels_32x64");
    for (const std::string& target : possible_targets()) {
        const Model model = load(c.model, target);
        INFO(model.explain());
        std::set<std::tuple<int, int, GateForm>> seen;  // stride, side of a tile, gate
        for (const StepInfo& step : model.steps()) {
            const Kernel& kernel = kernel_named(step.kernel);
            if (kernel.algorithm == Algorithm::winograd_conv) {
                const auto& info = kernel.as<WinogradInfo>();
                seen.insert({info.stride, info.side, kernel.gate});
            }
        }
        for (const GateForm gate : {GateForm::none, GateForm::position, GateForm::element}) {
            CHECK(seen.count({1, 4, gate}) == 1);
            CHECK(seen.count({2, 4, gate}) == 1);
            CHECK(seen.count({1, 2, gate}) == 1);
        }
    }
}

TEST_CASE("any number of threads gives the same outputs where tiles overlap") {
    for (const char* name : {"winograd_5x4", "winograd_11x13", "winograd_27x30", "winograd_wide",
                             "winograd_channels_14x9", "phases_72x64"}) {
        const Case c = read_case(name);
        for (const std::string& target : possible_targets()) {
            const Model model = load(c.model, target);
            Session one = open(model);
            const Array expected = run(one, c.x, c.y.shape, 1);
            for (const int threads : shared_among()) {
                INFO(name << " on " << target << ", " << threads << " threads");
                Session session = open(model, {.threads = threads});
                for (int repeat = 0; repeat < 3; ++repeat) {
                    const Array got = run(session, c.x, c.y.shape, 1);
                    const bool is_same = got.values == expected.values;
                    CHECK(is_same);
                    CHECK(session.macs_executed() == one.macs_executed());
                }
            }
        }
    }
}
