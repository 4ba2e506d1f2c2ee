// Runs ONNX's test cases on every target that this CPU has, and says how each went.
//
//     run_cases --operators      prints the operators that Sluice reads, separated by ", "
//     run_cases FOLDER           runs FOLDER/cases.json, see onnx_cases.py, a line of JSON per run:
//                                {"case", "target", "result": "right", "wrong" or "refused",
//                                "message"}

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

#include "kernels/cpu.h"
#include "kernels/registry.h"
#include "onnx/operator_names.h"
#include "run/compare.h"
#include "run/network.h"

namespace sluice::conformance {
namespace {

using nlohmann::json;

constexpr double tolerance = 1e-4;

/// The failure without its file, which is another on each machine.
json refused(const Status& status) {
    Problem problem = status.problem();
    problem.file.clear();
    return {{"result", "refused"}, {"message", Status(problem).message()}};
}

std::string describe(const std::string& name, const run::Comparison& comparison) {
    return name + (comparison.needed
                       ? " needs the shape " + run::describe(*comparison.needed)
                       : " differs by " + std::to_string(comparison.difference.relative) +
                             " of the largest expected value");
}

json run_case(const std::filesystem::path& folder, const json& entry, const std::string& target) {
    Result<run::Network> network =
        run::Network::load(folder / entry.at("model").get<std::string>(), {.target = target}, 1);
    if (!network.ok()) {
        return refused(network.status());
    }
    run::Files files;
    for (const json& file : entry.at("inputs")) {
        files.emplace_back(folder / file.get<std::string>());
    }
    if (files.size() != network->model().inputs().size()) {
        return {{"result", "wrong"}, {"message", "takes another number of inputs"}};
    }
    if (const Status read = network->read_inputs(files, {}, {}); !read.ok()) {
        return refused(read);
    }
    if (const Status ran = network->run(); !ran.ok()) {
        return refused(ran);
    }
    for (std::size_t i = 0; i < entry.at("outputs").size(); ++i) {
        const auto expected = npy::read(folder / entry["outputs"][i].get<std::string>());
        if (!expected.ok()) {
            return refused(expected.status());
        }
        const run::Comparison comparison =
            run::compare(network->outputs().at(i), expected.value(), tolerance);
        if (!comparison.passes) {
            return {{"result", "wrong"},
                    {"message", describe(network->model().outputs()[i].name, comparison)}};
        }
    }
    return {{"result", "right"}, {"message", ""}};
}

void run_all(const std::filesystem::path& folder) {
    std::ifstream stream(folder / "cases.json");
    const json cases = json::parse(stream);
    for (const Target& target : targets()) {
        if (!cpu_has(target.requires_)) {
            continue;
        }
        for (const json& entry : cases) {
            // Printed before it runs, so that a crash names its case.
            std::cout << json{{"case", entry.at("name")}, {"target", target.id}}.dump()
                      << std::endl;
            std::cout << run_case(folder, entry, target.id).dump() << std::endl;
        }
    }
}

}  // namespace
}  // namespace sluice::conformance

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: run_cases --operators | FOLDER\n", stderr);
        return 2;
    }
    const std::string word = argv[1];
    if (word == "--operators") {
        std::puts(sluice::supported_operators().c_str());
    } else {
        sluice::conformance::run_all(word);
    }
    return 0;
}
