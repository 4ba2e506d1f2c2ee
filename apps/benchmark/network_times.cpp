#include "benchmark/network_times.h"

#include <algorithm>
#include <chrono>
#include <regex>
#include <tuple>
#include <utility>

#include "benchmark/agreement.h"
#include "benchmark/input_file.h"
#include "common/inputs.h"
#include "common/temporary_folder.h"
#include "sluice/model.h"

namespace sluice::benchmark {
namespace {

using Clock = std::chrono::steady_clock;

/// Long enough to be back at full speed after the others' turn, short enough for many rounds.
constexpr double turn_ms = 40;
constexpr int warm_runs = 3;
constexpr std::size_t least_runs = 20;

/// An engine that takes part: its process, its row, and what has been measured.
struct Contestant {
    NetworkResult result;
    std::optional<Worker> worker;  ///< none once there is a problem
    std::vector<float> scores;
    int runs_a_turn = 1;
    std::vector<double> samples;

    void drop(const std::string& problem) {
        result.problem = problem;
        worker.reset();
    }
};

bool is_quantised(const Model& model) {
    const std::vector<StepInfo> steps = model.steps();
    return std::any_of(steps.begin(), steps.end(), [](const StepInfo& step) {
        return step.kernel.starts_with("int8_") && step.kernel.find("conv") != std::string::npos;
    });
}

NetworkResult describe(const NetworkQuestion& question, const Model& model,
                       const apps::Inputs& inputs) {
    NetworkResult row;
    row.file = question.model.stem().string();
    row.network = network_name(row.file);
    row.variant = model.gates().empty() ? "dense" : "lccl";
    const auto weights = model.metadata().find("sluice.weights");
    row.weights = weights == model.metadata().end() ? "trained" : weights->second;
    row.is_int8 = is_quantised(model);
    row.inputs = inputs.source;
    row.threads = question.threads;
    row.batch = question.batch;
    row.macs = model.macs();
    // Whoever does not skip computes the branches too.
    row.macs_executed = static_cast<double>(model.macs() + model.lccl_macs());
    return row;
}

Status prepare(const Engine& engine, const Job& job, Contestant& contestant) {
    Result<Worker> worker = Worker::start(engine);
    if (!worker.ok()) {
        return worker.status();
    }
    contestant.worker.emplace(std::move(worker).value());
    const Result<Loaded> loaded = contestant.worker->load(job);
    if (!loaded.ok()) {
        return loaded.status();
    }
    Result<Answer> answer = contestant.worker->check();
    if (!answer.ok()) {
        return answer.status();
    }
    NetworkResult& row = contestant.result;
    row.version = loaded->version;
    row.target = loaded->target;
    row.load_ms = loaded->load_ms;
    row.idle_rss_mb = contestant.worker->idle_rss_mb();
    contestant.scores = std::move(answer->scores);
    if (answer->macs_executed >= 0) {
        row.macs_executed = answer->macs_executed;
    }
    return {};
}

void compare(std::vector<Contestant>& all) {
    const auto answered = [](const Contestant& c) { return c.worker.has_value(); };
    if (std::count_if(all.begin(), all.end(), answered) < 2) {
        return;
    }
    // Ours stands first, and is judged by the others.
    const auto reference = std::find_if(all.begin() + 1, all.end(), answered);
    for (Contestant& c : all) {
        if (!c.worker) {
            continue;
        }
        const std::string problem =
            find_disagreement(c.scores, reference->scores, reference->result.engine,
                              c.result.is_int8 ? int8_score_tolerance : score_tolerance);
        c.result.agrees = problem.empty();
        if (!problem.empty()) {
            c.drop(problem);
        }
    }
}

Status take_turn(Contestant& contestant, int runs, bool keep) {
    const Result<std::vector<double>> times = contestant.worker->run(runs);
    if (!times.ok()) {
        return times.status();
    }
    const std::vector<double>& ms = times.value();
    if (keep) {
        contestant.samples.insert(contestant.samples.end(), ms.begin(), ms.end());
    } else {
        const double fastest = *std::min_element(ms.begin(), ms.end());
        contestant.runs_a_turn = std::max(1, static_cast<int>(turn_ms / fastest));
    }
    return {};
}

/// Rounds until each engine has had its seconds.
void run_rounds(std::vector<Contestant>& all, double seconds) {
    const auto count = static_cast<double>(
        std::count_if(all.begin(), all.end(), [](const Contestant& c) { return !!c.worker; }));
    const auto start = Clock::now();
    const auto goes_on = [&] {
        const std::chrono::duration<double> elapsed = Clock::now() - start;
        return elapsed.count() < seconds * count ||
               std::any_of(all.begin(), all.end(), [](const Contestant& c) {
                   return c.worker && c.samples.size() < least_runs;
               });
    };
    for (std::size_t round = 0; count > 0 && (round == 0 || goes_on()); ++round) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            // Each round begins with another, so that none always follows the same other.
            Contestant& c = all[(i + round) % all.size()];
            if (!c.worker) {
                continue;
            }
            const bool measures = round > 0;
            const Status status = take_turn(c, measures ? c.runs_a_turn : warm_runs, measures);
            if (!status.ok()) {
                c.drop(status.message());
            }
        }
    }
}

std::vector<NetworkResult> conclude(std::vector<Contestant>& all) {
    std::vector<NetworkResult> results;
    for (Contestant& c : all) {
        if (c.worker) {
            c.result.times = apps::summarise(c.samples);
            c.result.peak_rss_mb = c.worker->peak_rss_mb();
        }
        results.push_back(c.result);
    }
    return results;
}

Status time_own_layers(const NetworkQuestion& question, Contestant& ours, NetworkTimes& times) {
    if (!question.layers || !ours.worker) {
        return {};
    }
    auto layers = ours.worker->layers(question.seconds);
    if (!layers.ok()) {
        return layers.status();
    }
    std::tie(times.steps, times.layers) = std::move(layers).value();
    const std::string& name = ours.result.file;
    for (StepResult& step : times.steps) {
        step.network = name;
    }
    for (LayerResult& layer : times.layers) {
        layer.network = name;
    }
    return {};
}

}  // namespace

Result<NetworkTimes> time_network(const NetworkQuestion& question) {
    const std::string file = question.model.string();
    const Result<Model> model = Model::load(
        question.model, {.target = question.target, .int8 = question.int8, .size = question.size});
    if (!model.ok()) {
        return Status(model.status()).in_file(file);
    }
    const Result<apps::Inputs> inputs =
        apps::make_inputs(model.value(), question.data, question.batch);
    if (!inputs.ok()) {
        return Status(inputs.status()).in_file(file);
    }
    const Result<apps::TemporaryFolder> folder = apps::TemporaryFolder::create();
    if (!folder.ok()) {
        return folder.status();
    }
    const Result<InputFile> written =
        write_inputs(inputs.value(), folder.value().path() / "inputs");
    if (!written.ok()) {
        return written.status();
    }
    const Job job{file,           question.target, question.int8, question.threads,
                  question.batch, written.value()};
    std::vector<Contestant> all(question.engines.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i].result = describe(question, model.value(), inputs.value());
        all[i].result.engine = question.engines[i].name;
        if (const Status status = prepare(question.engines[i], job, all[i]); !status.ok()) {
            if (i == 0) {
                return Status(status).in_file(file);
            }
            all[i].drop("not available: " + status.message());
        }
    }
    compare(all);
    run_rounds(all, question.seconds);
    NetworkTimes times;
    times.results = conclude(all);
    SLUICE_RETURN_IF_ERROR(time_own_layers(question, all[0], times).in_file(file));
    return times;
}

std::string network_name(const std::string& file) {
    // What tells one network's files apart; "_d50" is a density.
    static const std::regex variant("_(dense|lccl|synthetic|d[0-9]+)(?=_|$)");
    return std::regex_replace(file, variant, "");
}

}  // namespace sluice::benchmark
