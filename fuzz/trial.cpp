#include "trial.h"

#include <sys/time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <optional>

#include <nlohmann/json.hpp>

#include "sluice/model.h"
#include "sluice/session.h"

namespace sluice::fuzz {
namespace {

using Json = nlohmann::json;

constexpr double macs_per_second = 1e9;

double processor_seconds() {
    std::timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

/// Ends the process by SIGPROF once it has used so much more processor time.
void limit_seconds(double seconds) {
    itimerval timer{};
    timer.it_value.tv_sec = std::time_t(seconds);
    timer.it_value.tv_usec = suseconds_t((seconds - double(timer.it_value.tv_sec)) * 1e6);
    ::setitimer(ITIMER_PROF, &timer, nullptr);
}

std::string name_of(const Variant& variant) {
    return variant.target + (variant.winograd ? "" : " without Winograd") + ", " +
           std::to_string(variant.threads) + (variant.threads == 1 ? " thread" : " threads") +
           (variant.guard == Guard::at_end ? ", guard behind" : ", guard before");
}

/// What is wrong with a message for the user; empty where nothing is.
std::string fault_of(const Status& status, const std::filesystem::path& file) {
    const std::string message = status.message();
    if (message.rfind(file.string(), 0) != 0) {
        return "the message does not begin with the file: " + message;
    }
    if (message.find('\n') != std::string::npos) {
        return "the message has more than one line: " + message;
    }
    return status.problem().remedy.empty() ? "the message names no remedy: " + message : "";
}

/// The extents of an output, or of an input, for a batch.
Extents extents_of(const TensorInfo& info, std::int64_t batch) {
    Extents shape;
    for (const Dimension& dimension : info.shape) {
        shape.push_back(dimension.size < 0 ? batch : dimension.size);
    }
    return shape;
}

std::int64_t element_count(const Extents& shape) {
    std::int64_t count = 1;
    for (const std::int64_t extent : shape) {
        count *= extent;
    }
    return count;
}

/// A tensor of the caller between inaccessible pages.
struct Tensor {
    Extents shape;
    GuardedMemory memory;

    Tensor(Extents extents, Guard guard)
        : shape(std::move(extents)), memory(bytes(), alignof(float), guard) {}
    std::size_t bytes() const { return std::size_t(element_count(shape)) * sizeof(float); }
    float* data() const { return reinterpret_cast<float*>(memory.data()); }
};

class Trial {
public:
    Trial(const Job& job, Progress& progress)
        : job_(job), progress_(progress), file_(job.output, std::ios::binary) {}

    Json run();

private:
    /// Tries one variant; a result where that is the end of the trial.
    std::optional<Json> try_variant(const Variant& variant);
    std::optional<Json> describe(const Model& model, std::int64_t batch);
    std::optional<Json> run_sets(Session& session, const Model& model, const Variant& variant);
    void enter(const char* what, const Variant& variant, double seconds);
    Json wrong(const std::string& what) const;
    Json refused(const Status& status) const;

    const Job& job_;
    Progress& progress_;
    std::ofstream file_;
    std::int64_t macs_ = 0;  ///< of a run, all images of the batch together
    double load_seconds_ = 0, run_seconds_ = 0;
    Json outputs_, gates_;
};

void Trial::enter(const char* what, const Variant& variant, double seconds) {
    std::snprintf(progress_.phase, sizeof(progress_.phase), "%s %s", what,
                  name_of(variant).c_str());
    limit_seconds(seconds);
}

Json Trial::wrong(const std::string& what) const {
    return {{"outcome", "wrong"}, {"message", what}, {"phase", progress_.phase}};
}

Json Trial::refused(const Status& status) const {
    const std::string fault = fault_of(status, job_.model);
    return fault.empty() ? Json{{"outcome", "refused"},
                                {"message", status.message()},
                                {"phase", progress_.phase}}
                         : wrong(fault);
}

std::optional<Json> Trial::describe(const Model& model, std::int64_t batch) {
    outputs_ = Json::array();
    std::int64_t elements = 0;
    for (const TensorInfo& info : model.outputs()) {
        const Extents shape = extents_of(info, batch);
        elements += element_count(shape);
        outputs_.push_back({{"name", info.name}, {"shape", shape}});
    }
    gates_ = Json::array();
    for (const GateInfo& gate : model.gates()) {
        gates_.push_back({{"layer", gate.layer}, {"skips", gate.skips}});
    }
    macs_ = batch * (model.macs() + model.lccl_macs());
    if (model.explain().empty()) {
        return wrong("explain() is empty");
    }
    if (elements > job_.most_elements || macs_ > job_.most_macs) {
        return Json{{"outcome", "large"}, {"message", std::to_string(macs_) + " MACs"}};
    }
    return std::nullopt;
}

std::optional<Json> Trial::run_sets(Session& session, const Model& model, const Variant& variant) {
    std::vector<Tensor> first;  // what the first set gave
    for (std::size_t run = 0; run <= job_.sets.size(); ++run) {
        const bool is_again = run == job_.sets.size();
        std::vector<Tensor> inputs, outputs;
        std::vector<TensorView> from;
        std::vector<MutableTensorView> to;
        for (const Input& input : job_.sets[is_again ? 0 : run]) {
            const Tensor& tensor = inputs.emplace_back(input.shape, variant.guard);
            std::memcpy(tensor.data(), input.values.data(), tensor.bytes());
        }
        for (const Json& output : outputs_) {
            outputs.emplace_back(output.at("shape").get<Extents>(), variant.guard);
        }
        for (const Tensor& tensor : inputs) {
            from.push_back({tensor.data(), tensor.shape});
        }
        for (const Tensor& tensor : outputs) {
            to.push_back({tensor.data(), tensor.shape});
        }
        const double seconds = job_.run_seconds + double(macs_) / macs_per_second;
        enter(is_again ? "running once more on" : "running on", variant, seconds * variant.threads);
        const double start = processor_seconds();
        const Status status = session.run(from, to);
        const double taken = processor_seconds() - start;
        limit_seconds(0);
        run_seconds_ = std::max(run_seconds_, variant.threads == 1 ? taken : 0);
        if (!status.ok()) {
            return refused(status);
        }
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            const auto* const bytes = reinterpret_cast<const char*>(outputs[i].data());
            if (!is_again) {
                file_.write(bytes, std::streamsize(outputs[i].bytes()));
            } else if (std::memcmp(bytes, first[i].data(), outputs[i].bytes()) != 0) {
                return wrong("the same input gives another output '" + model.outputs()[i].name +
                             "' after other inputs were run");
            }
        }
        if (run == 0) {
            first = std::move(outputs);
        }
    }
    return std::nullopt;
}

std::optional<Json> Trial::try_variant(const Variant& variant) {
    set_allocation_policy({variant.guard, job_.most_bytes});
    enter("loading for", variant, job_.load_seconds);
    const double start = processor_seconds();
    const Result<Model> model = Model::load(job_.model, {variant.target, variant.winograd});
    load_seconds_ = std::max(load_seconds_, processor_seconds() - start);
    if (!model.ok()) {
        return refused(model.status());
    }
    if (job_.sets.empty()) {
        return std::nullopt;
    }
    const std::int64_t batch =
        job_.sets[0].empty() || job_.sets[0][0].shape.empty() ? 1 : job_.sets[0][0].shape[0];
    if (std::optional<Json> end = describe(model.value(), batch)) {
        return end;
    }
    Result<Session> session = Session::create(model.value(), {.threads = variant.threads});
    if (!session.ok()) {
        return refused(session.status());
    }
    return run_sets(session.value(), model.value(), variant);
}

Json Trial::run() {
    Json result = {{"outcome", "ran"}, {"message", ""}};
    for (std::size_t i = 0; i < job_.variants.size(); ++i) {
        if (std::optional<Json> end = try_variant(job_.variants[i])) {
            // What one target refuses and another computes is for the caller to judge.
            result = std::move(*end);
            break;
        }
        result["variants"] = i + 1;
    }
    limit_seconds(0);
    result["load_seconds"] = load_seconds_;
    result["run_seconds"] = run_seconds_;
    result["macs"] = macs_;
    result["outputs"] = outputs_;
    result["gates"] = gates_;
    return result;
}

}  // namespace

Json try_job(const Job& job, Progress& progress) { return Trial(job, progress).run(); }

}  // namespace sluice::fuzz
