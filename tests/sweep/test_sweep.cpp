#include <catch2/catch.hpp>

#include <cstdlib>
#include <functional>
#include <iostream>

#include "kernels/cpu.h"
#include "kernels/registry.h"
#include "sweep/cases.h"
#include "sweep/compare.h"
#include "sweep/quantised_reference.h"

/// Random networks through the public API against the scalar reference, on $SLUICE_TARGET or on all
/// targets that this CPU runs. $SLUICE_SWEEP_CASES: how many; $SLUICE_SWEEP_SEED: the first one's
/// seed, alone where no number is given. A case depends on its seed only.
namespace {

using namespace sluice;
using namespace sluice::sweep;

/// What few graphs here hold, or none: tests/session/activation_cases.py and operator_cases.py try
/// them.
bool is_hardly_drawn(Algorithm algorithm) {
    return algorithm == Algorithm::mat_mul || algorithm == Algorithm::reduce ||
           algorithm == Algorithm::reduce_along || algorithm == Algorithm::activation;
}

std::uint64_t number_of(const char* name, std::uint64_t fallback) {
    const char* text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 10) : fallback;
}

bool is_given(const char* name) { return std::getenv(name) != nullptr; }

/// Targets with a base have its kernels of floats.
std::vector<const Target*> swept_targets(bool is_quantised) {
    std::vector<const Target*> swept;
    if (is_given("SLUICE_TARGET")) {
        const auto chosen = choose_target("");
        INFO(chosen.status().message());
        REQUIRE(chosen.ok());
        return {chosen.value()};
    }
    for (const Target& target : targets()) {
        if (cpu_has(target.requires_) && (is_quantised || target.base[0] == '\0')) {
            swept.push_back(&target);
        }
    }
    REQUIRE(!swept.empty());
    return swept;
}

struct Sweep {
    const char* name;  ///< of its test
    std::uint64_t cases;
    std::function<Net(Random&, std::uint64_t seed)> draw;
    bool is_quantised = false;
};

/// A draw in which rounding could pass for a fault is drawn again, but for quantised networks, of
/// which each rounding is stated.
Net draw_case(const Sweep& sweep, Random& random, std::uint64_t seed) {
    while (true) {
        Net net = sweep.draw(random, seed);
        if (sweep.is_quantised) {
            return quantised(net, random);
        }
        if (net.is_well_conditioned()) {
            return net;
        }
    }
}

void run_case(const Sweep& sweep, std::uint64_t seed, std::map<const Target*, Tally>& tallies) {
    Random random(seed);
    const Net net = draw_case(sweep, random, seed);
    ModelOptions options;
    options.winograd = random.chance(0.9);
    // Maps of the sweep are small: without this none would run in turns.
    options.cache_bytes = random.chance(0.5) ? 0 : options.cache_bytes;
    const QuantisedReference reference =
        sweep.is_quantised ? quantised_reference(net) : QuantisedReference{wanted_of(net), 0, {}};
    for (auto& [target, tally] : tallies) {
        options.target = target->id;
        const std::string fault = reference.fault.empty()
                                      ? compare(net, reference.outputs, options, tally)
                                      : reference.fault;
        tally.exact_outputs += reference.exact_outputs;
        if (!fault.empty()) {
            FAIL_CHECK("SLUICE_SWEEP_SEED=" << seed << " SLUICE_TARGET=" << target->id
                                            << " test_sweep \"" << sweep.name << "\"\n"
                                            << (options.winograd ? "" : "without Winograd, ")
                                            << (options.cache_bytes > 0 ? "" : "in turns, ")
                                            << net.description() << fault);
        }
    }
}

/// Runs a sweep; returns what ran on each target.
std::map<const Target*, Tally> run_sweep(const Sweep& sweep) {
    std::map<const Target*, Tally> tallies;
    for (const Target* target : swept_targets(sweep.is_quantised)) {
        tallies[target];
    }
    const bool is_single = is_given("SLUICE_SWEEP_SEED") && !is_given("SLUICE_SWEEP_CASES");
    const std::uint64_t first = number_of("SLUICE_SWEEP_SEED", 0);
    const std::uint64_t cases = is_single ? 1 : number_of("SLUICE_SWEEP_CASES", sweep.cases);
    for (std::uint64_t seed = first; seed < first + cases; ++seed) {
        run_case(sweep, seed, tallies);
    }
    for (const auto& [target, tally] : tallies) {
        std::cout << target->id << ": " << cases << " cases from seed " << first
                  << ", largest difference " << tally.largest_difference
                  << " of the largest output\n";
    }
    CHECK(cases > 0);
    return tallies;
}

/// Every algorithm of `first` to `last` has to have computed something in the sweep of make test,
/// or in a longer one from the same seed; of an algorithm's kernels, those that have not are
/// printed.
void check_algorithms(const Sweep& sweep, const std::map<const Target*, Tally>& tallies,
                      Algorithm first, Algorithm last) {
    if (is_given("SLUICE_SWEEP_SEED") ||
        number_of("SLUICE_SWEEP_CASES", sweep.cases) < sweep.cases) {
        return;
    }
    for (const auto& [target, tally] : tallies) {
        std::map<Algorithm, int> runs;
        std::string missing;
        for (const Kernel& kernel : kernels()) {
            if (kernel.algorithm < first || kernel.algorithm > last || !is_for(kernel, *target)) {
                continue;
            }
            const auto found = tally.ran.find(kernel.name);
            const int count = found == tally.ran.end() ? 0 : found->second;
            runs[kernel.algorithm] += count;
            missing += count > 0 ? "" : std::string(" ") + kernel.name;
        }
        std::cout << target->id << ": not run:" << missing << "\n";
        CHECK(!runs.empty());
        for (const auto& [algorithm, count] : runs) {
            if (is_hardly_drawn(algorithm)) {
                continue;
            }
            INFO("algorithm " << int(algorithm) << " of " << target->id);
            CHECK(count > 0);
        }
    }
}

}  // namespace

TEST_CASE("random convolutions give what the reference gives") {
    const Sweep sweep{"random convolutions*", SLUICE_SWEEP_CONVOLUTIONS,
                      [](Random& random, std::uint64_t seed) {
                          return draw_convolutions(random, seed % conv_kinds);
                      }};
    check_algorithms(sweep, run_sweep(sweep), Algorithm::gated_conv, Algorithm::fill);
}

TEST_CASE("random graphs give what the reference gives") {
    const Sweep sweep{"random graphs*", SLUICE_SWEEP_GRAPHS,
                      [](Random& random, std::uint64_t) { return draw_graph(random); }};
    check_algorithms(sweep, run_sweep(sweep), Algorithm::max_pool, Algorithm::resize);
}

TEST_CASE("random quantised networks give what the reference gives") {
    const Sweep sweep{"random quantised networks*", SLUICE_SWEEP_QUANTISED,
                      [](Random& random, std::uint64_t seed) {
                          return seed % 2 == 0
                                     ? draw_convolutions(random, seed / 2 % int8_conv_kinds)
                                     : draw_graph(random);
                      },
                      true};
    const auto tallies = run_sweep(sweep);
    check_algorithms(sweep, tallies, Algorithm::quantize, Algorithm::int8_fill);
    for (const auto& [target, tally] : tallies) {
        std::cout << target->id << ": " << tally.exact_outputs << " outputs to the bit\n";
        CHECK(tally.exact_outputs > 0);
    }
}
