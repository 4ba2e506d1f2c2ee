#include <catch2/catch.hpp>

#include <array>
#include <cstdint>
#include <iterator>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/calls.h"

using namespace sluice;

// As generators/fill.cpp declares them.
TEST_CASE("a call's struct has the generator's arguments, named, typed and in order") {
    using Call = FillCall<const char*>;
    const char* const names[] = {"positions", "epilogue",  "residual", "side",
                                 "post_low",  "post_high", "output"};
    REQUIRE(std::size(Call::arguments) == std::size(names));
    for (std::size_t i = 0; i < std::size(names); ++i) {
        CHECK(Call::arguments[i].name == names[i]);
    }
    const ArgumentInfo positions = Call::arguments[0], residual = Call::arguments[2];
    CHECK((positions.is_buffer && residual.is_buffer));
    CHECK((positions.dimensions == 1 && residual.dimensions == 3));
    CHECK(positions.type == halide_type_of<std::uint32_t>());
    CHECK(residual.type == halide_type_of<float>());
    CHECK(!Call::arguments[3].is_buffer);
    CHECK(Call::arguments[3].type == halide_type_of<std::int32_t>());
    static_assert(std::is_same_v<decltype(Call::side), std::int32_t>);
    static_assert(std::is_same_v<decltype(Call::post_low), float>);
    static_assert(std::is_same_v<decltype(Call::output), const char*>);
}

TEST_CASE("a call's visit meets every field in order, and may change it") {
    FillCall<std::string> call{"list", "rows", "sum", 4, -1, 1, "y"};
    std::vector<std::string> buffers;
    std::vector<float> scalars;
    const auto note = [&](const auto& field) {
        if constexpr (std::is_same_v<decltype(field), const std::string&>) {
            buffers.push_back(field);
        } else {
            scalars.push_back(float(field));
        }
    };
    const FillCall<std::string>& same = call;
    FillCall<std::string>::visit(same, note);
    CHECK(buffers == std::vector<std::string>{"list", "rows", "sum", "y"});
    CHECK(scalars == std::vector<float>{4, -1, 1});
    FillCall<std::string>::visit(call, [](auto& field) { field = {}; });
    CHECK(call.output.empty());
    CHECK(call.side == 0);
}

TEST_CASE("a field tells the number of its argument") {
    static_assert(index_of(&FillCall<int>::positions) == 0);
    static_assert(index_of(&FillCall<int>::side) == 3);
    static_assert(index_of(&FillCall<int>::output) == 6);
    CHECK(index_of(&FillCall<std::string>::post_high) == 5);
}

TEST_CASE("a kernel whose arguments differ from the struct in one thing is told apart") {
    using HalideFunctionInfo::InputBuffer;
    using HalideFunctionInfo::InputScalar;
    using HalideFunctionInfo::OutputBuffer;
    const auto real = halide_type_of<float>(), integer = halide_type_of<std::int32_t>();
    const std::array<HalideFunctionInfo::ArgumentInfo, 3> softmax_and_one = {
        {{"input", InputBuffer, 3, real},
         {"axis", InputScalar, 0, integer},
         {"output", OutputBuffer, 3, real}}};
    const ArgumentInfo same[] = {{"input", true, real, 3, false},
                                 {"axis", false, integer, 0, false},
                                 {"output", true, real, 3, true}};
    CHECK(has_arguments(softmax_and_one, same));
    CHECK(!has_arguments(softmax_and_one, std::span(same, 2)));
    for (int change = 0; change < 7; ++change) {
        ArgumentInfo other[] = {same[0], same[1], same[2]};
        change == 0   ? void(other[0].name = "x")
        : change == 1 ? void(other[0].dimensions = 4)
        : change == 2 ? void(other[2].type = integer)
        : change == 3 ? void(other[1].type = halide_type_of<std::int64_t>())
        : change == 4 ? void(other[1].type = halide_type_of<std::uint32_t>())
        : change == 5 ? void(other[1].is_buffer = true)
                      : void(other[2].is_output = false);
        INFO("change " << change);
        CHECK(!has_arguments(softmax_and_one, other));
    }
}
