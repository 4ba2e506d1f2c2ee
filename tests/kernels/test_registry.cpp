#include <catch2/catch.hpp>

#include <cstdlib>
#include <set>
#include <string>

#include "kernels/cpu.h"
#include "kernels/layer.h"
#include "kernels/registry.h"

using namespace sluice;
using kernel_test::square_layer;

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
        const Kernel* own = find_conv(Family::gated_conv, target, square_layer(3, 64, 64));
        const Kernel* other = find_conv(Family::gated_conv, target, square_layer(5, 64, 64));
        REQUIRE(own);
        REQUIRE(other);
        CHECK(std::string(own->shape_class) == "3x3_c64");
        CHECK(std::string(other->shape_class) == "any");
    }
}

// Rows of the table that a layer resembles in all but one thing.
TEST_CASE("a kernel is taken for no layer that differs from its row in one requirement") {
    const auto shape_class = [](Family family, const Target& target, const ConvLayer& layer) {
        const Kernel* kernel = find_conv(family, target, layer);
        return std::string(kernel ? kernel->shape_class : "none");
    };
    for (const Target& target : targets()) {
        INFO(target.id);
        const auto winograd = [&](const ConvLayer& layer) {
            return shape_class(Family::dense_winograd, target, layer);
        };
        ConvLayer layer = square_layer(3, 16, 64);
        CHECK(winograd(layer) == "3x3_c16");
        CHECK(winograd(square_layer(3, 16, 64, 2)) == "3x3_c16_by2");
        // Phases that a copy lays side by side: a window of 2x2 and stride 1 over 16 channels.
        CHECK(winograd(square_layer(2, 16, 64)) == "none");
        CHECK(winograd(square_layer(2, 16, 64, 2)) == "none");
        CHECK(winograd(square_layer(4, 16, 64, 2)) == "none");
        CHECK(winograd(square_layer(3, 16, 64, 3)) == "none");
        CHECK(winograd(square_layer(1, 16, 64)) == "none");
        CHECK(winograd(square_layer(3, 12, 64)) == "none");
        CHECK(winograd(square_layer(3, 16, target.lanes - 1)) == "none");
        for (const std::size_t axis : {0, 1}) {
            ConvLayer other = layer;
            other.kernel[axis] = 5;
            CHECK(winograd(other) == "none");
            other = layer;
            other.stride[axis] = 2;
            CHECK(winograd(other) == "none");
            other = layer;
            other.output[axis] = 3;  // less than a tile
            CHECK(winograd(other) == "none");
            other = square_layer(3, 16, 64, 2);
            other.input[axis] = 2 * 32 + 1;  // the last phase lacks its last pixel
            CHECK(winograd(other) == "none");
        }
        ConvLayer tail = square_layer(4, 12, 64);
        CHECK(winograd(tail) == (12 % target.lanes == 0 ? "4x4_c12" : "none"));
        tail.has_tail = true;
        CHECK(winograd(tail) == "4x4_c12");

        const auto sparse = [&](const ConvLayer& l) {
            return shape_class(Family::sparse_conv, target, l);
        };
        CHECK(sparse(layer) == "3x3_c16");
        CHECK(sparse(square_layer(3, 16, 64, 2)) == "none");
        for (std::size_t side = 0; side < 4; ++side) {
            ConvLayer other = layer;
            other.pads[side] = 0;
            CHECK(sparse(other) == "none");
        }
        layer.output[1] = 1;
        CHECK(sparse(layer) == "none");

        for (const Family family : {Family::branch, Family::dot_conv}) {
            CHECK(shape_class(family, target, square_layer(3, 16, 16, 2)) == "3x3_c16");
            CHECK(shape_class(family, target, square_layer(5, 48, 16)) == "any");
            CHECK(shape_class(family, target, square_layer(3, 3, 16)) == "none");
        }
        CHECK(shape_class(Family::dense_conv, target, square_layer(3, 16, 16, 3)) == "3x3_c16");
        ConvLayer wide = square_layer(3, 16, 16);
        wide.kernel[1] = 1;
        CHECK(shape_class(Family::dense_conv, target, wide) == "any");
        CHECK(shape_class(Family::copy, target, wide) == "none");
    }
}
