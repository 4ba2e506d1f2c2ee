#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "benchmark/input_file.h"
#include "benchmark/process.h"
#include "benchmark/results.h"

namespace sluice::benchmark {

/// An engine's name, and the command of its worker process.
struct Engine {
    std::string name;
    std::vector<std::string> command;
};

/// Ours, by the command of a worker.
Engine our_engine(const std::vector<std::string>& worker);
/// onnxruntime, openvino or ncnn, run by peer.py under `python`. An error where peer.py is missing:
/// it lies beside this program or, where that is installed, in ../share/sluice.
Result<Engine> peer_engine(const std::string& name, const std::string& python);
/// The Python of `make peers`, where peer.py is that of a checkout that has it; else python3.
std::string default_peer_python();

/// What a worker loads.
struct Job {
    std::string model;
    std::string target;  ///< of our kernels
    bool int8 = true;    ///< ModelOptions::int8
    int threads = 1;
    int batch = 1;
    InputFile inputs;
};

struct Loaded {
    std::string version;
    std::string target;
    double load_ms = 0;
};

struct Answer {
    std::vector<float> scores;  ///< of all inputs, one after the other
    double macs_executed = -1;  ///< an image; negative where the engine does not count
};

/// What one engine of one network does, in a process of its own. Each call is a line of JSON there
/// and one back, so that no two engines compute at the same time:
///
///     (start)                                            {"ready": true}
///     {"do": "load", "model", "target", "int8",          {"version", "target", "load_ms"}
///      "threads", "batch", "inputs", "shape", "images"}
///     {"do": "check"}                                    {"scores": [...], "macs_executed"}
///     {"do": "run", "count"}                             {"nanoseconds": [...]}, one a run
///     {"do": "layers", "seconds"} (ours)                 {"steps": [...], "layers": [...]}
///
/// or {"error": "..."} back. `inputs` is a file of float32 [images, shape...].
class Worker {
public:
    static Result<Worker> start(const Engine& engine);

    Result<Loaded> load(const Job& job);
    Result<Answer> check();
    /// Milliseconds of each of `count` runs of a batch.
    Result<std::vector<double>> run(int count);
    Result<std::pair<std::vector<StepResult>, std::vector<LayerResult>>> layers(double seconds);

    double idle_rss_mb() const { return idle_rss_mb_; }
    double peak_rss_mb() const { return process_.peak_rss_mb(); }

private:
    explicit Worker(Process process) : process_(std::move(process)) {}
    Process process_;
    double idle_rss_mb_ = 0;
};

}  // namespace sluice::benchmark
