#include "sluice/session.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "session/no_memory.h"
#include "session/runner.h"
#include "session/thread_pool.h"

namespace sluice {
namespace {

constexpr int max_threads = 256;

std::string shape_text(std::span<const std::int64_t> shape) {
    std::string text = "[";
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        text += (axis ? ", " : "") + std::to_string(shape[axis]);
    }
    return text + "]";
}

std::string shape_text(const TensorInfo& info) {
    std::string text = "[";
    for (std::size_t axis = 0; axis < info.shape.size(); ++axis) {
        const Dimension& dimension = info.shape[axis];
        text += (axis ? ", " : "") +
                (dimension.size < 0 ? dimension.name : std::to_string(dimension.size));
    }
    return text + "]";
}

/// Checks a view and agrees on the batch; `batch` is -1 until a tensor gives it.
template <typename View>
Status check_view(const Plan& plan, const TensorInfo& info, const View& view, std::int64_t& batch) {
    const auto& [data, shape, type] = view;
    if (type != info.type) {
        return Status(Problem{plan.file, info.name,
                              std::string("has elements of ") + to_string(type) + " and needs " +
                                  to_string(info.type),
                              "pass elements of that type"});
    }
    bool fits = data != nullptr && shape.size() == info.shape.size();
    for (std::size_t axis = 0; fits && axis < shape.size(); ++axis) {
        const std::int64_t wanted = info.shape[axis].size;
        fits = axis == 0 && wanted < 0 ? shape[0] >= 1 && (batch < 0 || shape[0] == batch)
                                       : shape[axis] == wanted;
    }
    if (!fits) {
        const std::string reason =
            plan.batch_remark.empty() ? "" : ", because " + plan.batch_remark;
        return Status(Problem{plan.file, info.name,
                              (data ? "has the shape " + shape_text(shape) : "has no data") +
                                  " and needs " + shape_text(info) + reason,
                              "pass one batch of that shape"});
    }
    batch = shape.empty() ? 1 : shape[0];
    return {};
}

template <typename View>
Status check_views(const Plan& plan, const std::vector<TensorInfo>& infos,
                   std::span<const View> views, std::int64_t& batch) {
    for (std::size_t i = 0; i < views.size(); ++i) {
        SLUICE_RETURN_IF_ERROR(check_view(plan, infos[i], views[i], batch));
    }
    return {};
}

Status check_counts(const Plan& plan, std::size_t inputs, std::size_t outputs) {
    if (inputs == plan.inputs.size() && outputs == plan.outputs.size()) {
        return {};
    }
    return Status(Problem{plan.file,
                          {},
                          "got " + std::to_string(inputs) + " inputs and " +
                              std::to_string(outputs) + " outputs, and has " +
                              std::to_string(plan.inputs.size()) + " and " +
                              std::to_string(plan.outputs.size()),
                          "pass a view for each"});
}

std::int64_t image_bytes(const TensorInfo& info) {
    std::int64_t count = size_of(info.type);
    for (std::size_t axis = 1; axis < info.shape.size(); ++axis) {
        count *= info.shape[axis].size;
    }
    return count;
}

constexpr char for_activations[] = "for its activations";

/// Whether a run may bring more than one image.
bool takes_batches(const Plan& plan) {
    const bool has_batch = !plan.inputs.empty() && !plan.inputs[0].shape.empty();
    return has_batch && plan.inputs[0].shape[0].size != 1;
}

}  // namespace

struct Session::State {
    std::shared_ptr<const Plan> plan;
    ThreadPool pool;
    std::vector<AlignedMemory> arenas;
    /// Runners of whole images, one per thread, and at last one that all threads share. A batch is
    /// shared out by images. What remains is shared out by the work inside each image.
    std::vector<Runner> runners;
    std::vector<std::int64_t> input_bytes, output_bytes;  ///< of an image
    std::span<const TensorView> inputs;                   ///< of the run under way
    std::span<const MutableTensorView> outputs;
    std::int64_t batch = 0;
    std::int64_t macs_executed = 0;
    std::vector<StepReading> steps;
    const Runner* last = nullptr;  ///< ran the last image

    explicit State(std::shared_ptr<const Plan> plan_) : plan(std::move(plan_)) {}

    Status allocate(const SessionOptions& options);
    void run_images(Runner& runner, std::int64_t first, std::int64_t end);
    void run_batch();
    void add_up();
};

Status Session::State::allocate(const SessionOptions& options) {
    const int whole = pool.threads() > 1 && takes_batches(*plan) ? pool.threads() : 0;
    arenas.resize(std::size_t(std::max(whole, 1)));
    for (AlignedMemory& arena : arenas) {
        arena = AlignedMemory(plan->arena_bytes);
        if (plan->arena_bytes > 0 && arena.data() == nullptr) {
            return no_memory(plan->file, for_activations);
        }
        if (arena.data() != nullptr) {
            std::memset(arena.data(), 0, arena.size());
            write_presets(plan->presets, arena.data());
        }
    }
    runners.reserve(std::size_t(whole) + 1);
    for (int thread = 0; thread < whole; ++thread) {
        runners.emplace_back(*plan, arenas[std::size_t(thread)].data(), nullptr, options);
    }
    runners.emplace_back(*plan, arenas[0].data(), &pool, options);
    steps.resize(runners.back().steps().size());
    last = &runners.back();
    for (const TensorInfo& info : plan->inputs) {
        input_bytes.push_back(image_bytes(info));
    }
    for (const TensorInfo& info : plan->outputs) {
        output_bytes.push_back(image_bytes(info));
    }
    return {};
}

void Session::State::run_images(Runner& runner, std::int64_t first, std::int64_t end) {
    for (std::int64_t image = first; image < end; ++image) {
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            const auto* data = static_cast<const std::byte*>(inputs[i].data);
            runner.point_at(Memory::input, int(i), data + image * input_bytes[i]);
        }
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            auto* data = static_cast<std::byte*>(outputs[i].data);
            runner.point_at(Memory::output, int(i), data + image * output_bytes[i]);
        }
        runner.run_image();
    }
}

void Session::State::run_batch() {
    const std::int64_t threads = std::int64_t(runners.size()) - 1;
    const std::int64_t shared_out = threads > 0 ? batch / threads * threads : 0;
    if (shared_out > 0) {
        pool.run(
            int(threads),
            [](void* pointer, int number) {
                State& s = *static_cast<State*>(pointer);
                const std::int64_t each = s.batch / (std::int64_t(s.runners.size()) - 1);
                s.run_images(s.runners[std::size_t(number)], number * each, (number + 1) * each);
            },
            this);
        last = &runners[std::size_t(threads) - 1];
    }
    if (shared_out < batch) {
        run_images(runners.back(), shared_out, batch);
        last = &runners.back();
    }
}

void Session::State::add_up() {
    macs_executed = 0;
    std::fill(steps.begin(), steps.end(), StepReading{});
    for (const Runner& runner : runners) {
        macs_executed += runner.macs_executed();
        for (std::size_t i = 0; i < steps.size(); ++i) {
            steps[i].seconds += runner.steps()[i].seconds;
            steps[i].macs += runner.steps()[i].macs;
        }
    }
}

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::create(const Model& model, const SessionOptions& options) {
    const Plan& plan = *model.plan_;
    if (options.threads < 1 || options.threads > max_threads) {
        return Status(Problem{plan.file,
                              {},
                              "cannot run on " + std::to_string(options.threads) + " threads",
                              "choose 1 to " + std::to_string(max_threads)});
    }
    return unless_no_memory(plan.file, for_activations, [&]() -> Result<Session> {
        auto state = std::make_unique<State>(model.plan_);
        SLUICE_RETURN_IF_ERROR(state->pool.start(options.threads).in_file(plan.file));
        SLUICE_RETURN_IF_ERROR(state->allocate(options));
        return Session(std::move(state));
    });
}

Status Session::run(std::span<const TensorView> inputs,
                    std::span<const MutableTensorView> outputs) {
    State& state = *state_;
    const Plan& plan = *state.plan;
    SLUICE_RETURN_IF_ERROR(check_counts(plan, inputs.size(), outputs.size()));
    std::int64_t batch = -1;
    SLUICE_RETURN_IF_ERROR(check_views(plan, plan.inputs, inputs, batch));
    SLUICE_RETURN_IF_ERROR(check_views(plan, plan.outputs, outputs, batch));
    for (Runner& runner : state.runners) {
        runner.reset();
    }
    state.inputs = inputs;
    state.outputs = outputs;
    state.batch = batch;
    state.run_batch();
    state.add_up();
    return {};
}

Result<std::int64_t> Session::batch_of(std::span<const TensorView> inputs) const {
    const Plan& plan = *state_->plan;
    SLUICE_RETURN_IF_ERROR(check_counts(plan, inputs.size(), plan.outputs.size()));
    std::int64_t batch = -1;
    SLUICE_RETURN_IF_ERROR(check_views(plan, plan.inputs, inputs, batch));
    return batch;
}

std::int64_t Session::macs_executed() const { return state_->macs_executed; }
std::span<const GateReading> Session::gates() const { return state_->last->gates(); }
std::span<const StepReading> Session::steps() const { return state_->steps; }

}  // namespace sluice
