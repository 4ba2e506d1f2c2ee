#include "job.h"

#include <fstream>

#include <nlohmann/json.hpp>

namespace sluice::fuzz {
namespace {

using Json = nlohmann::json;

Result<Input> read_input(const Json& json) {
    Input input;
    input.shape = json.at("shape").get<Extents>();
    std::size_t elements = 1;
    for (const std::int64_t extent : input.shape) {
        elements *= std::size_t(extent);
    }
    input.values.resize(elements);
    const auto name = json.at("file").get<std::string>();
    std::ifstream file(name, std::ios::binary);
    file.read(reinterpret_cast<char*>(input.values.data()),
              std::streamsize(elements * sizeof(float)));
    if (!file) {
        return Status::error(name + " does not hold the values of an input", "write it again");
    }
    return input;
}

Variant read_variant(const Json& json) {
    return {json.at("target").get<std::string>(), json.at("threads").get<int>(),
            json.at("winograd").get<bool>(),
            json.at("guard") == "start" ? Guard::at_start : Guard::at_end};
}

Result<Job> convert(const Json& json) {
    Job job;
    job.model = json.at("model").get<std::string>();
    job.output = json.at("output").get<std::string>();
    for (const Json& set : json.at("sets")) {
        job.sets.emplace_back();
        for (const Json& item : set) {
            Result<Input> input = read_input(item);
            if (!input.ok()) {
                return input.status();
            }
            job.sets.back().push_back(std::move(input).value());
        }
    }
    for (const Json& variant : json.at("variants")) {
        job.variants.push_back(read_variant(variant));
    }
    job.load_seconds = json.at("load_seconds").get<double>();
    job.run_seconds = json.at("run_seconds").get<double>();
    job.most_macs = json.at("most_macs").get<std::int64_t>();
    job.most_elements = json.at("most_elements").get<std::int64_t>();
    job.most_bytes = json.at("most_bytes").get<std::size_t>();
    return job;
}

}  // namespace

Result<Job> read_job(const std::string& line) {
    try {
        return convert(Json::parse(line));
    } catch (const Json::exception& error) {
        return Status::error(std::string("is no job: ") + error.what(),
                             "write it as fuzz/mutator/runner.py does");
    }
}

}  // namespace sluice::fuzz
