#include "benchmark/engine.h"

#include <filesystem>
#include <limits>

#include <nlohmann/json.hpp>

namespace sluice::benchmark {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds patience_at_start{60};
constexpr std::chrono::seconds patience{300};

Status not_understood() { return Status::error("gave an answer that is not of the protocol"); }

Result<json> read_answer(Process& process, std::chrono::seconds limit) {
    const Result<std::string> line = process.read_line(limit);
    if (!line.ok()) {
        return line.status();
    }
    json answer = json::parse(line.value(), nullptr, false);
    if (!answer.is_object()) {
        return not_understood();
    }
    if (answer.contains("error")) {
        return answer["error"].is_string() ? Status::error(answer["error"].get<std::string>())
                                           : not_understood();
    }
    return answer;
}

Result<json> ask(Process& process, const json& request) {
    SLUICE_RETURN_IF_ERROR(
        process.write_line(request.dump(-1, ' ', false, json::error_handler_t::replace)));
    return read_answer(process, patience);
}

bool has_numbers(const json& answer, const char* key) {
    if (!answer.contains(key) || !answer[key].is_array()) {
        return false;
    }
    for (const json& item : answer[key]) {
        // A score that is not finite is null in JSON.
        if (!item.is_number() && !item.is_null()) {
            return false;
        }
    }
    return true;
}

double number(const json& value) {
    return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

// Without the links of a build folder; empty where it is nowhere.
std::filesystem::path peer_script() {
    std::error_code code;
    const std::filesystem::path folder = own_file().parent_path();
    for (const char* place : {"peer.py", "../share/sluice/peer.py"}) {
        const std::filesystem::path script = std::filesystem::canonical(folder / place, code);
        if (!code) {
            return script;
        }
    }
    return {};
}

StepResult read_step(const json& item) {
    return {
        "", item.at("node"), item.at("kernel"), item.at("shape"), item.at("ms"), item.at("macs")};
}

LayerResult read_layer(const json& item) {
    return {"",
            item.at("layer"),
            item.at("shape"),
            item.at("density"),
            item.at("gated_ms"),
            item.at("branch_ms"),
            item.at("dense_kernel"),
            item.at("dense_ms"),
            item.at("executed_share")};
}

}  // namespace

Engine our_engine(const std::vector<std::string>& worker) { return {"sluice", worker}; }

Result<Engine> peer_engine(const std::string& name, const std::string& python) {
    const std::filesystem::path script = peer_script();
    if (script.empty()) {
        return Status::error(
            "peer.py, which runs other engines, is neither beside this program nor "
            "in ../share/sluice",
            "install the program again");
    }
    return Engine{name, {python, script.string(), name}};
}

std::string default_peer_python() {
    std::error_code code;
    const std::filesystem::path python =
        peer_script().parent_path() / "../../.venv-peers/bin/python";
    return std::filesystem::exists(python, code) ? python.lexically_normal().string() : "python3";
}

Result<Worker> Worker::start(const Engine& engine) {
    Result<Process> process = Process::start(engine.command);
    if (!process.ok()) {
        return process.status();
    }
    Worker worker(std::move(process).value());
    const Result<json> hello = read_answer(worker.process_, patience_at_start);
    if (!hello.ok()) {
        return hello.status();
    }
    worker.idle_rss_mb_ = worker.process_.rss_mb();
    return worker;
}

Result<Loaded> Worker::load(const Job& job) {
    const Result<json> answer = ask(process_, {{"do", "load"},
                                               {"model", job.model},
                                               {"target", job.target},
                                               {"int8", job.int8},
                                               {"threads", job.threads},
                                               {"batch", job.batch},
                                               {"inputs", job.inputs.path},
                                               {"shape", job.inputs.shape},
                                               {"images", job.inputs.images}});
    if (!answer.ok()) {
        return answer.status();
    }
    const json& found = answer.value();
    if (!found.contains("load_ms") || !found["load_ms"].is_number()) {
        return not_understood();
    }
    return Loaded{found.value("version", ""), found.value("target", ""),
                  found["load_ms"].get<double>()};
}

Result<Answer> Worker::check() {
    const Result<json> answer = ask(process_, {{"do", "check"}});
    if (!answer.ok()) {
        return answer.status();
    }
    if (!has_numbers(answer.value(), "scores")) {
        return not_understood();
    }
    Answer result;
    for (const json& score : answer.value()["scores"]) {
        result.scores.push_back(static_cast<float>(number(score)));
    }
    result.macs_executed = answer.value().value("macs_executed", -1.0);
    return result;
}

Result<std::vector<double>> Worker::run(int count) {
    const Result<json> answer = ask(process_, {{"do", "run"}, {"count", count}});
    if (!answer.ok()) {
        return answer.status();
    }
    if (!has_numbers(answer.value(), "nanoseconds") ||
        answer.value()["nanoseconds"].size() != static_cast<std::size_t>(count)) {
        return not_understood();
    }
    std::vector<double> milliseconds;
    for (const json& nanoseconds : answer.value()["nanoseconds"]) {
        milliseconds.push_back(number(nanoseconds) / 1e6);
    }
    return milliseconds;
}

Result<std::pair<std::vector<StepResult>, std::vector<LayerResult>>> Worker::layers(
    double seconds) {
    const Result<json> answer = ask(process_, {{"do", "layers"}, {"seconds", seconds}});
    if (!answer.ok()) {
        return answer.status();
    }
    std::pair<std::vector<StepResult>, std::vector<LayerResult>> result;
    try {
        for (const json& item : answer.value().at("steps")) {
            result.first.push_back(read_step(item));
        }
        for (const json& item : answer.value().at("layers")) {
            result.second.push_back(read_layer(item));
        }
    } catch (const json::exception&) {
        return not_understood();
    }
    return result;
}

}  // namespace sluice::benchmark
