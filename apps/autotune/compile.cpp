#include "autotune/compile.h"

#include <unistd.h>

#include <Halide.h>

#include "autotune/fingerprints.h"

namespace sluice::autotune {
namespace {

std::string build(const Recipe& recipe, const Numbers& numbers, const std::string& object) {
    // The same features as in cmake/SluiceKernels.cmake: what is timed is what will be shipped.
    const Halide::Target target(recipe.halide_target + "-no_asserts-no_bounds_query-no_runtime");
    auto generator = Halide::Internal::GeneratorRegistry::create(recipe.generator,
                                                                 Halide::GeneratorContext(target));
    if (generator == nullptr) {
        return "has no generator " + recipe.generator;
    }
    for (const auto& [name, value] : recipe.params) {
        generator->set_generatorparam_value(name, value);
    }
    for (const auto& [name, value] : numbers) {
        generator->set_generatorparam_value(name, std::to_string(value));
    }
    const std::string function(candidate_function);
    generator->build_module(function.substr(0, function.rfind("_argv")))
        .compile({{Halide::OutputFileType::object, object}});
    return {};
}

/// Becomes the linker, or says why not.
std::string compile_and_link(const Recipe& recipe, const Numbers& numbers,
                             const std::filesystem::path& library) {
    const std::string object = library.string() + ".o";
    try {
        if (std::string problem = build(recipe, numbers, object); !problem.empty()) {
            return problem;
        }
    } catch (const Halide::Error& error) {
        const std::string text = error.what();
        return "Halide refuses it: " + text.substr(0, text.find('\n'));
    }
    // The whole runtime comes along, because the program holds only what its own kernels call.
    ::execl(SLUICE_CXX_COMPILER, SLUICE_CXX_COMPILER, "-shared", "-o", library.c_str(),
            object.c_str(), SLUICE_HALIDE_RUNTIME, static_cast<char*>(nullptr));
    return "cannot start " SLUICE_CXX_COMPILER;
}

}  // namespace

Result<Child> start_compilation(const Recipe& recipe, const Numbers& numbers,
                                const std::filesystem::path& library) {
    return Child::start([&] { return compile_and_link(recipe, numbers, library); });
}

std::string fingerprint(const std::string& generator) {
    for (const auto& [name, hash] : fingerprints) {
        if (generator == name) {
            return hash;
        }
    }
    return {};
}

}  // namespace sluice::autotune
