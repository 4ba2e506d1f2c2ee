#include <catch2/catch.hpp>

#include <cstdlib>
#include <set>
#include <string>

#include "kernels/cpu.h"
#include "kernels/registry.h"

using namespace sluice;

TEST_CASE("every kernel is named family_shape__target and belongs to a listed target") {
    std::set<std::string> names;
    REQUIRE(!kernels().empty());
    for (const Kernel& kernel : kernels()) {
        INFO(kernel.name);
        CHECK(names.insert(kernel.name).second);
        const std::string tail = std::string("_") + kernel.shape_class + "__" + kernel.target;
        const std::string name = kernel.name;
        REQUIRE(name.size() > tail.size());
        CHECK(name.substr(name.size() - tail.size()) == tail);
        bool listed = false;
        for (const Target& target : targets()) {
            listed |= std::string(target.id) == kernel.target && target.lanes == kernel.lanes;
        }
        CHECK(listed);
    }
}

TEST_CASE("an unknown target is an error that lists the possible ones") {
    const auto chosen = choose_target("avx9000");
    REQUIRE(!chosen.ok());
    const auto best = choose_target("");
    REQUIRE(best.ok());
    const std::string message = chosen.status().message();
    CHECK(message.find("avx9000") != std::string::npos);
    CHECK(message.find(best.value()->id) != std::string::npos);
}

TEST_CASE("SLUICE_TARGET forces a target, and an argument overrides it") {
    const char* before = std::getenv("SLUICE_TARGET");
    const std::string saved = before ? before : "";
    for (const Target& target : targets()) {
        if (!cpu_has(target.requires_)) {
            WARN("skipped, not on this CPU: " << target.id);
            continue;
        }
        ::setenv("SLUICE_TARGET", target.id, 1);
        const auto forced = choose_target("");
        REQUIRE(forced.ok());
        CHECK(std::string(forced.value()->id) == target.id);
    }
    ::setenv("SLUICE_TARGET", "none such", 1);
    CHECK(!choose_target("").ok());
    CHECK(choose_target(targets()[targets().size() - 1].id).ok());
    before ? ::setenv("SLUICE_TARGET", saved.c_str(), 1) : ::unsetenv("SLUICE_TARGET");
}

TEST_CASE("a flag that is not known is not there") { CHECK(!cpu_has("sse41,no_such_flag")); }

TEST_CASE("a specialised kernel is preferred where the shape is its own") {
    for (const Target& target : targets()) {
        INFO(target.id);
        const Kernel* own = find_conv(Family::gated_conv, target, 3, 64, 64);
        const Kernel* other = find_conv(Family::gated_conv, target, 5, 64, 64);
        REQUIRE(own);
        REQUIRE(other);
        CHECK(std::string(own->shape_class) == "3x3_c64");
        CHECK(std::string(other->shape_class) == "any");
    }
}
