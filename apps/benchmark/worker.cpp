#include "benchmark/worker.h"

#include <chrono>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "benchmark/input_file.h"
#include "benchmark/layer_times.h"
#include "passes/load_graph.h"
#include "sluice/session.h"

namespace sluice::benchmark {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

/// What has been loaded, and the batch that comes next.
struct State {
    std::string model_file;
    bool int8 = true;
    InputFile file;
    std::vector<float> inputs;
    std::int64_t batch = 1;
    std::int64_t next = 0;
    std::optional<Model> model;
    std::optional<Session> session;
    std::vector<std::int64_t> in, out;
    std::vector<float> scores;

    Status run_batch() {
        const std::size_t batches = static_cast<std::size_t>(file.images / batch);
        const std::size_t number = static_cast<std::size_t>(next++) % batches;
        const TensorView input{inputs.data() + inputs.size() / batches * number, in};
        const MutableTensorView output{scores.data(), out};
        return session->run(std::span(&input, 1), std::span(&output, 1));
    }
};

/// Of one image [C, H, W].
std::optional<ImageSize> image_size(const std::vector<std::int64_t>& shape) {
    return shape.size() == 3 ? std::optional(ImageSize{shape[1], shape[2]}) : std::nullopt;
}

json failure(const Status& status) { return {{"error", status.message()}}; }

void set_shapes(State& state) {
    state.in = {state.batch};
    state.in.insert(state.in.end(), state.file.shape.begin(), state.file.shape.end());
    std::size_t count = 1;
    for (const Dimension& extent : state.model->outputs()[0].shape) {
        state.out.push_back(state.out.empty() ? state.batch : extent.size);
        count *= static_cast<std::size_t>(state.out.back());
    }
    state.scores.resize(count);
}

json load(State& state, const json& request) {
    state.file = {request.at("inputs"), request.at("shape"), request.at("images")};
    state.batch = request.at("batch");
    Result<std::vector<float>> inputs = read_inputs(state.file);
    if (!inputs.ok()) {
        return failure(inputs.status());
    }
    state.inputs = std::move(inputs).value();
    state.model_file = request.at("model");
    const auto start = Clock::now();
    state.int8 = request.at("int8");
    Result<Model> model =
        Model::load(state.model_file, {.target = request.at("target").get<std::string>(),
                                       .int8 = state.int8,
                                       .size = image_size(state.file.shape)});
    if (!model.ok()) {
        return failure(model.status());
    }
    state.model.emplace(std::move(model).value());
    Result<Session> session = Session::create(*state.model, {request.at("threads").get<int>()});
    if (!session.ok()) {
        return failure(session.status());
    }
    state.session.emplace(std::move(session).value());
    set_shapes(state);
    if (const Status status = state.run_batch(); !status.ok()) {
        return failure(status);
    }
    const std::chrono::duration<double, std::milli> elapsed = Clock::now() - start;
    return {{"version", SLUICE_VERSION},
            {"target", state.model->target()},
            {"load_ms", elapsed.count()}};
}

json check(State& state) {
    state.next = 0;
    std::vector<float> scores;
    std::int64_t executed = 0;
    for (std::int64_t done = 0; done < state.file.images; done += state.batch) {
        if (const Status status = state.run_batch(); !status.ok()) {
            return failure(status);
        }
        scores.insert(scores.end(), state.scores.begin(), state.scores.end());
        executed += state.session->macs_executed();
    }
    return {
        {"scores", scores},
        {"macs_executed", static_cast<double>(executed) / static_cast<double>(state.file.images)}};
}

json run(State& state, const json& request) {
    std::vector<std::int64_t> nanoseconds(request.at("count").get<std::size_t>());
    for (std::int64_t& taken : nanoseconds) {
        const auto start = Clock::now();
        if (const Status status = state.run_batch(); !status.ok()) {
            return failure(status);
        }
        taken = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
    }
    return {{"nanoseconds", nanoseconds}};
}

json layers(State& state, const json& request) {
    const Result<Graph> graph =
        load_graph(state.model_file, image_size(state.file.shape), state.int8);
    if (!graph.ok()) {
        return failure(graph.status());
    }
    const Result<LayerTimes> times = time_layers(*state.model, graph.value(), state.inputs,
                                                 state.file.shape, request.at("seconds"));
    if (!times.ok()) {
        return failure(times.status());
    }
    json answer = {{"steps", json::array()}, {"layers", json::array()}};
    for (const StepResult& step : times.value().steps) {
        answer["steps"].push_back({{"node", step.node},
                                   {"kernel", step.kernel},
                                   {"shape", step.shape},
                                   {"ms", step.ms},
                                   {"macs", step.macs}});
    }
    for (const LayerResult& layer : times.value().layers) {
        answer["layers"].push_back({{"layer", layer.layer},
                                    {"shape", layer.shape},
                                    {"density", layer.density},
                                    {"gated_ms", layer.gated_ms},
                                    {"branch_ms", layer.branch_ms},
                                    {"dense_kernel", layer.dense_kernel},
                                    {"dense_ms", layer.dense_ms},
                                    {"executed_share", layer.executed_share}});
    }
    return answer;
}

json answer(State& state, const std::string& line) {
    const json request = json::parse(line, nullptr, false);
    try {
        const std::string wanted = request.at("do");
        if (wanted == "load") {
            return load(state, request);
        }
        if (!state.session) {
            return failure(Status::error("nothing is loaded"));
        }
        if (wanted == "check") {
            return check(state);
        }
        if (wanted == "run") {
            return run(state, request);
        }
        if (wanted == "layers") {
            return layers(state, request);
        }
        return failure(Status::error("knows no request '" + wanted + "'"));
    } catch (const json::exception&) {
        return failure(Status::error("got a request that is not of the protocol"));
    }
}

bool reply(const json& object) {
    const std::string line = object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    return std::fwrite(line.data(), 1, line.size(), stdout) == line.size() &&
           std::fflush(stdout) == 0;
}

}  // namespace

int run_worker() {
    State state;
    bool heard = reply({{"ready", true}});
    for (std::string line; heard && std::getline(std::cin, line);) {
        heard = reply(answer(state, line));
    }
    return 0;
}

}  // namespace sluice::benchmark
