#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cpu.h"
#include "kernels/layer.h"
#include "kernels/registry.h"

using namespace sluice;
using kernel_test::square_layer;

namespace {

std::string gate_suffix(const Kernel& kernel) {
    const Algorithm forms[] = {Algorithm::gated_conv,          Algorithm::depthwise_conv,
                               Algorithm::winograd_conv,       Algorithm::int8_conv,
                               Algorithm::int8_staged_conv,    Algorithm::int8_float_conv,
                               Algorithm::int8_depthwise,      Algorithm::int8_staged_depthwise,
                               Algorithm::int8_float_depthwise};
    const bool has_forms =
        std::find(std::begin(forms), std::end(forms), kernel.algorithm) != std::end(forms);
    return !has_forms                          ? ""
           : kernel.gate == GateForm::none     ? "_none"
           : kernel.gate == GateForm::position ? "_position"
                                               : "_element";
}

std::string operation_suffix(const Kernel& kernel) {
    const char* const suffixes[] = {"_add", "_sub", "_mul", "_div",
                                    "_max", "_min", "_pow", "_prelu"};
    if (kernel.algorithm == Algorithm::activation) {
        return std::string("_") + to_string(kernel.as<ActivationInfo>().operation);
    }
    if (const auto* reduce = std::get_if<ReduceInfo>(&kernel.info)) {
        const char* const names[] = {"_sum", "_max", "_min"};
        return names[std::size_t(reduce->operation)];
    }
    return kernel.algorithm != Algorithm::binary
               ? ""
               : suffixes[std::size_t(kernel.as<BinaryInfo>().operation)];
}

bool is_derived(const Target& target) { return target.base[0] != '\0'; }

/// The kernels of generators/kernels.json: those of SLUICE_MODELS stand in a file per target.
std::vector<Kernel> table_kernels() {
    std::map<std::string, std::string> added;
    for (const Target& target : targets()) {
        std::ifstream file(SLUICE_MODEL_NUMBERS + std::string("/") + target.id + ".json");
        added[target.id] = {std::istreambuf_iterator<char>(file), {}};
    }
    std::vector<Kernel> table;
    for (const Kernel& kernel : kernels()) {
        const std::string name = kernel.name;
        const std::string row = "\"" + name.substr(0, name.rfind("__")) + "\"";
        if (added.at(kernel.target).find(row) == std::string::npos) {
            table.push_back(kernel);
        }
    }
    return table;
}

}  // namespace

TEST_CASE("every kernel's name says what it is, and its target is listed") {
    std::set<std::string> names;
    REQUIRE(!kernels().empty());
    for (const Kernel& kernel : kernels()) {
        INFO(kernel.name);
        CHECK(names.insert(kernel.name).second);
        const std::string type = kernel.type == ElementType::float32 ? "_f32"
                                 : kernel.type == ElementType::uint8 ? "_u8"
                                                                     : "";
        const std::string tail = type + "_" + kernel.shape_class + gate_suffix(kernel) +
                                 operation_suffix(kernel) + "__" + kernel.target;
        CHECK_THAT(kernel.name, Catch::EndsWith(tail));
        bool listed = false;
        for (const Target& target : targets()) {
            listed |= std::string(target.id) == kernel.target && target.lanes == kernel.lanes;
        }
        CHECK(listed);
    }
}

TEST_CASE("every target has a kernel of each algorithm, gate form and shape class") {
    std::map<std::string, std::set<std::string>> by_target;
    for (const Kernel& kernel : table_kernels()) {
        const std::string name = kernel.name;
        // AVX2 has no wider tiles of bytes than one vector.
        if (!name.starts_with("int8_") || name.find("_wide") == std::string::npos) {
            by_target[kernel.target].insert(name.substr(0, name.rfind("__")));
        }
    }
    CHECK(by_target.size() == targets().size());
    const Target* whole = nullptr;
    for (const Target& target : targets()) {
        whole = is_derived(target) ? whole : &target;
    }
    REQUIRE(whole);
    const std::set<std::string>& all = by_target.at(whole->id);
    for (const Target& target : targets()) {
        INFO(target.id);
        const std::set<std::string>& names = by_target.at(target.id);
        // A derived one may have shape classes of its own.
        CHECK((is_derived(target) || names == all));
        CHECK((names.size() == all.size()) == !is_derived(target));
        for (int i = 0; i < algorithm_count; ++i) {
            const Algorithm algorithm{i};
            const bool is_specialised =
                algorithm == Algorithm::winograd_conv || algorithm == Algorithm::sparse_conv;
            INFO("algorithm " << i);
            CHECK((find_kernel(algorithm, target) == nullptr) == is_specialised);
        }
        for (int i = 0; i < activation_count; ++i) {
            const Kernel* kernel = find_kernel(ActivationKind(i), target);
            REQUIRE(kernel);
            CHECK(kernel->as<ActivationInfo>().operation == ActivationKind(i));
        }
        for (const auto operation :
             {BinaryOperation::add, BinaryOperation::sub, BinaryOperation::mul,
              BinaryOperation::div, BinaryOperation::max, BinaryOperation::min,
              BinaryOperation::pow, BinaryOperation::prelu}) {
            const Kernel* kernel = find_kernel(operation, target);
            REQUIRE(kernel);
            CHECK(kernel->as<BinaryInfo>().operation == operation);
        }
    }
}

TEST_CASE("a target with a base has its own kernels that multiply bytes, and its base's others") {
    int derived = 0;
    for (const Target& target : targets()) {
        if (!is_derived(target) || is_derived(*base_of(target))) {
            continue;
        }
        ++derived;
        INFO(target.id);
        const ConvLayer layer = square_layer(3, 64, 64);
        for (const Algorithm algorithm : {Algorithm::int8_conv, Algorithm::int8_staged_conv,
                                          Algorithm::int8_float_conv, Algorithm::int8_branch}) {
            INFO("algorithm " << int(algorithm));
            CHECK(find_kernel(algorithm, target)->target == std::string(target.id));
            CHECK(find_conv(algorithm, GateForm::none, target, layer)->target ==
                  std::string(target.id));
        }
        CHECK(find_kernel(Algorithm::copy, target)->target == std::string(target.base));
        CHECK(find_kernel(BinaryOperation::add, target)->target == std::string(target.base));
        CHECK(find_conv(Algorithm::gated_conv, GateForm::position, target, layer)->target ==
              std::string(target.base));
        const auto all = targets();
        const auto base = std::find_if(all.begin(), all.end(), [&target](const Target& other) {
            return other.id == std::string_view(target.base);
        });
        REQUIRE(base != all.end());
        CHECK(base->lanes == target.lanes);
        CHECK(base->priority < target.priority);
        CHECK(find_kernel(Algorithm::int8_conv, *base)->target == std::string(target.base));
    }
    CHECK(derived > 0);
}

TEST_CASE("a target whose base has one is served by its own kernels where they pay") {
    const auto all = targets();
    const auto amx = std::find_if(all.begin(), all.end(), [](const Target& target) {
        return target.id == std::string_view("avx512_amx");
    });
    if (amx == all.end()) {
        WARN("skipped, not in this build: avx512_amx");
        return;
    }
    CHECK(find_kernel(Algorithm::int8_conv, *amx)->target == std::string("avx512_vnni"));
    CHECK(find_kernel(Algorithm::int8_branch, *amx)->target == std::string("avx512_vnni"));
    CHECK(find_kernel(Algorithm::copy, *amx)->target == std::string("avx512"));
    const auto target_of = [&](Algorithm algorithm, GateForm gate, const ConvLayer& layer) {
        return std::string(find_conv(algorithm, gate, *amx, layer)->target);
    };
    const ConvLayer layer = square_layer(3, 64, 64);
    CHECK(target_of(Algorithm::gated_conv, GateForm::position, layer) == "avx512");
    for (const Algorithm algorithm : {Algorithm::int8_conv, Algorithm::int8_staged_conv}) {
        for (const GateForm gate : {GateForm::none, GateForm::position}) {
            CHECK(target_of(algorithm, gate, layer) == "avx512_amx");
            // A short sum, half a block of outputs, a patch that there is no memory for.
            CHECK(target_of(algorithm, gate, square_layer(1, 32, 64)) == "avx512_vnni");
            CHECK(target_of(algorithm, gate, square_layer(3, 64, 48)) == "avx512_vnni");
            CHECK(target_of(algorithm, gate, square_layer(3, 528, 64)) == "avx512_vnni");
            // One whose last row there is no memory for, in pieces of 64 bytes.
            CHECK(target_of(algorithm, gate, square_layer(3, 518, 64)) == "avx512_vnni");
            CHECK(target_of(algorithm, gate, square_layer(3, 512, 64)) == "avx512_amx");
            // Few positions.
            ConvLayer few = layer;
            few.output[0] = few.output[1] = 1;
            CHECK(target_of(algorithm, gate, few) == "avx512_vnni");
            few.output[0] = few.output[1] = 2;
            CHECK(target_of(algorithm, gate, few) == "avx512_amx");
        }
        CHECK(target_of(algorithm, GateForm::element, layer) == "avx512_vnni");
    }
    CHECK(target_of(Algorithm::int8_float_conv, GateForm::none, layer) == "avx512_vnni");
}

TEST_CASE("an int8 layer is served by the widest kernel whose block divides its outputs") {
    for (const Target& target : targets()) {
        for (const std::int64_t vectors : {1, 2, 5, 12}) {
            INFO(target.id << ", " << vectors << " vectors of outputs");
            const ConvLayer layer = square_layer(5, 3, vectors * target.lanes, 2);
            const Kernel* found = find_conv(Algorithm::int8_conv, GateForm::none, target, layer);
            REQUIRE(found);
            CHECK(layer.outputs % found->block() == 0);
            for (const Kernel& other : kernels()) {
                if (other.algorithm == Algorithm::int8_conv &&
                    found->target == std::string(other.target) &&
                    layer.outputs % other.block() == 0) {
                    CHECK(other.block() <= found->block());
                }
            }
        }
    }
}

TEST_CASE("a dense layer is served by as many vectors at once as divide its outputs") {
    for (const Target& target : targets()) {
        INFO(target.id);
        const auto serves = [&](std::int64_t vectors, std::int64_t groups) {
            ConvLayer layer = square_layer(1, 24, vectors * target.lanes);
            layer.groups = groups;
            const Kernel* kernel = find_conv(Algorithm::gated_conv, GateForm::none, target, layer);
            return std::string(kernel ? kernel->shape_class : "none");
        };
        CHECK(serves(1, 1) == "any");
        CHECK(serves(2, 1) == "any_wide");
        CHECK(serves(3, 1) == "any_wider");
        CHECK(serves(4, 1) == "any_wide");
        CHECK(serves(5, 1) == "any");
        CHECK(serves(6, 1) == "any_wider");
        // A block of outputs reads the channels of each group that it spans.
        CHECK(serves(6, 2) == "any_wider");
        CHECK(serves(6, 3) == "any_wide");
        CHECK(serves(6, 6) == "any");
        CHECK(serves(6, 12) == "any");
    }
}

TEST_CASE("a kernel's block is its vectors of output channels") {
    for (const Kernel& kernel : kernels()) {
        INFO(kernel.name);
        const int vectors =
            kernel.algorithm == Algorithm::gated_conv       ? kernel.as<DirectInfo>().vectors
            : kernel.algorithm == Algorithm::depthwise_conv ? kernel.as<DepthwiseInfo>().vectors
            : kernel.algorithm == Algorithm::winograd_conv  ? kernel.as<WinogradInfo>().vectors
            : kernel.algorithm == Algorithm::sparse_conv    ? kernel.as<PairsInfo>().vectors
            : std::holds_alternative<Int8Info>(kernel.info) ? kernel.as<Int8Info>().vectors
            : std::holds_alternative<Int8DepthwiseInfo>(kernel.info)
                ? kernel.as<Int8DepthwiseInfo>().vectors
                : 1;
        CHECK(vectors >= 1);
        CHECK(kernel.block() == vectors * kernel.lanes);
    }
}

TEST_CASE("a layer gated by groups is served by the kernels of gates a position") {
    for (const Target& target : targets()) {
        INFO(target.id);
        const ConvLayer layer = square_layer(3, 64, 64);
        const Kernel* kernel = find_conv(Algorithm::gated_conv, GateForm::group, target, layer);
        REQUIRE(kernel);
        CHECK(kernel->gate == GateForm::position);
        CHECK(kernel == find_conv(Algorithm::gated_conv, GateForm::position, target, layer));
        CHECK(kernel != find_conv(Algorithm::gated_conv, GateForm::none, target, layer));
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
    const std::vector<Kernel> table = table_kernels();
    const auto find = [&table](const Target& target, const ConvLayer& layer) {
        return find_conv(table, Algorithm::gated_conv, GateForm::position, target, layer);
    };
    for (const Target& target : targets()) {
        INFO(target.id);
        const Kernel* own = find(target, square_layer(3, 64, 64));
        const Kernel* other = find(target, square_layer(5, 64, 64));
        REQUIRE(own);
        REQUIRE(other);
        CHECK(std::string(own->shape_class) == "3x3_c64");
        CHECK(std::string(other->shape_class) == "any");
    }
}

TEST_CASE(
    "layers with groups or dilation are served by kernels of any channels, or depthwise ones") {
    for (const Target& target : targets()) {
        INFO(target.id);
        const auto serves = [&](Algorithm algorithm, GateForm gate, const ConvLayer& layer) {
            const Kernel* kernel = find_conv(algorithm, gate, target, layer);
            return std::string(kernel ? kernel->shape_class : "none");
        };
        for (const int stride : {1, 2, 3}) {
            ConvLayer layer = square_layer(3, 64, 64, stride);
            CHECK(serves(Algorithm::depthwise_conv, GateForm::none, layer) == "none");
            layer.groups = 64;
            CHECK(serves(Algorithm::gated_conv, GateForm::none, layer) == "any");
            CHECK(serves(Algorithm::winograd_conv, GateForm::none, layer) == "none");
            CHECK(serves(Algorithm::dot_conv, GateForm::element, layer) == "none");
            CHECK(serves(Algorithm::sparse_conv, GateForm::position, layer) == "none");
            CHECK(serves(Algorithm::branch, GateForm::none, layer) == "none");
            CHECK(serves(Algorithm::depthwise_conv, GateForm::none, layer) == "none");
            layer.is_depthwise = true;
            CHECK(serves(Algorithm::depthwise_conv, GateForm::none, layer) ==
                  (stride == 3 ? "any" : "3x3_by" + std::to_string(stride)));
            CHECK(serves(Algorithm::depthwise_conv, GateForm::position, layer) == "3x3");
            CHECK(serves(Algorithm::int8_depthwise, GateForm::none, layer) ==
                  (stride == 3 ? "any" : "3x3_by" + std::to_string(stride)));
            CHECK(serves(Algorithm::int8_depthwise, GateForm::position, layer) == "any");
            layer.dilation[0] = 2;
            CHECK(serves(Algorithm::depthwise_conv, GateForm::none, layer) == "any");
            CHECK(serves(Algorithm::gated_conv, GateForm::position, layer) == "any");
            layer.channel_stride = 63;
            CHECK(serves(Algorithm::depthwise_conv, GateForm::none, layer) == "none");
        }
    }
}

// Rows of the table that a layer resembles in all but one thing.
TEST_CASE("a kernel is taken for no layer that differs from its row in one requirement") {
    const std::vector<Kernel> table = table_kernels();
    const auto shape_class = [&table](Algorithm algorithm, GateForm gate, const Target& target,
                                      const ConvLayer& layer) {
        const Kernel* kernel = find_conv(table, algorithm, gate, target, layer);
        return std::string(kernel ? kernel->shape_class : "none");
    };
    for (const Target& target : targets()) {
        INFO(target.id);
        const auto winograd = [&](const ConvLayer& layer) {
            return shape_class(Algorithm::winograd_conv, GateForm::none, target, layer);
        };
        ConvLayer layer = square_layer(3, 16, 64);
        CHECK(winograd(layer) == "3x3_wide");
        CHECK(winograd(square_layer(3, 64, 64)) == "3x3_c64");
        CHECK(winograd(square_layer(3, 16, 64, 2)) == "3x3_by2_wide");
        CHECK(winograd(square_layer(3, 64, 64, 2)) == "3x3_by2_c64");
        // The widest block that divides the outputs.
        CHECK(winograd(square_layer(3, 16, target.lanes)) == "3x3");
        CHECK(winograd(square_layer(3, 16, 3 * target.lanes)) == "3x3_wider");
        // Phases that a copy lays side by side: a window of 2x2 and stride 1 over 16 channels.
        CHECK(winograd(square_layer(2, 16, 64)) == "none");
        CHECK(winograd(square_layer(2, 16, 64, 2)) == "none");
        CHECK(winograd(square_layer(4, 16, 64, 2)) == "none");
        CHECK(winograd(square_layer(3, 16, 64, 3)) == "none");
        CHECK(winograd(square_layer(1, 16, 64)) == "none");
        CHECK(winograd(square_layer(3, 12, 64)) == (12 % target.lanes == 0 ? "3x3_wide" : "none"));
        // What generic kernels are for, and have memory for.
        CHECK(winograd(square_layer(3, 368, 64)) == "3x3_wide");
        CHECK(winograd(square_layer(3, 384, 64)) == "3x3_deep");
        CHECK(winograd(square_layer(3, 512, 64)) == "3x3_deep");
        CHECK(winograd(square_layer(3, 528, 64)) == "none");
        CHECK(winograd(square_layer(3, 128, 64, 2)) == "3x3_by2_wide");
        CHECK(winograd(square_layer(3, 144, 64, 2)) == "none");
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
            return shape_class(Algorithm::sparse_conv, GateForm::position, target, l);
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

        for (const auto& [algorithm, gate] : {std::pair{Algorithm::branch, GateForm::none},
                                              {Algorithm::dot_conv, GateForm::element}}) {
            CHECK(shape_class(algorithm, gate, target, square_layer(3, 16, 16, 2)) == "3x3_c16");
            CHECK(shape_class(algorithm, gate, target, square_layer(5, 48, 16)) == "any");
            CHECK(shape_class(algorithm, gate, target, square_layer(3, 3, 16)) == "none");
        }
        CHECK(shape_class(Algorithm::gated_conv, GateForm::none, target,
                          square_layer(3, 16, 16, 3)) == "3x3_c16");
        ConvLayer wide = square_layer(3, 16, 16);
        wide.kernel[1] = 1;
        const std::int64_t vectors = wide.outputs / target.lanes;
        CHECK(shape_class(Algorithm::gated_conv, GateForm::none, target, wide) ==
              (vectors % 2 == 0 ? "any_wide" : "any"));
        CHECK(shape_class(Algorithm::copy, GateForm::none, target, wide) == "none");
    }
}
