#include "sluice/session.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>

#include "session/bind.h"
#include "session/pool.h"

namespace sluice {
namespace {

/// A step with less work runs on one thread: waking the others takes about as long.
constexpr std::int64_t work_for_threads = 100'000;

constexpr int max_threads = 256;

/// A step's calls, one a thread, and what the session keeps beside the plan about it.
struct BoundStep {
    const Step* step = nullptr;
    std::vector<BoundCall> calls;
    const std::int32_t* count = nullptr;
    bool splits_list = false;
};

std::int64_t share(std::int64_t count, int part, int parts) { return count * part / parts; }

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
Status check_shape(const TensorInfo& info, std::span<const std::int64_t> shape,
                   const void* data, std::int64_t& batch) {
    bool fits = data != nullptr && shape.size() == info.shape.size();
    for (std::size_t axis = 0; fits && axis < shape.size(); ++axis) {
        const std::int64_t wanted = info.shape[axis].size;
        fits = axis == 0 && wanted < 0 ? shape[0] >= 1 && (batch < 0 || shape[0] == batch)
                                       : shape[axis] == wanted;
    }
    if (!fits) {
        return Status(Problem{{}, info.name,
                              (data ? "has the shape " + shape_text(shape) : "has no data") +
                                  " and needs " + shape_text(info),
                              "pass one batch of that shape"});
    }
    batch = shape.empty() ? 1 : shape[0];
    return {};
}

std::int64_t picture_elements(const TensorInfo& info) {
    std::int64_t count = 1;
    for (std::size_t axis = 1; axis < info.shape.size(); ++axis) {
        count *= info.shape[axis].size;
    }
    return count;
}

}  // namespace

struct Session::State {
    std::shared_ptr<const Plan> plan;
    AlignedMemory arena;
    Pool pool;
    std::vector<BoundStep> steps;
    std::vector<BoundStep*> outside;  ///< steps that touch the caller's memory
    std::vector<std::int64_t> input_elements, output_elements;  ///< of a picture
    std::vector<std::size_t> gate_at;  ///< gates in the order of their steps
    std::vector<std::vector<float>> gate_values;
    std::vector<GateReading> readings;
    std::vector<StepReading> step_readings;  ///< empty unless steps are recorded
    bool record_gates = false;
    std::int64_t macs_executed = 0;

    State(std::shared_ptr<const Plan> plan_, int threads)
        : plan(std::move(plan_)), arena(plan->arena_bytes), pool(threads) {
        if (arena.data() != nullptr) {
            std::memset(arena.data(), 0, arena.size());
        }
    }

    void bind();
    void run_picture();
    void run_step(BoundStep& bound);
    void run_and_record(std::size_t step);
    void run_list(BoundStep& bound);
    void read_gate(std::size_t gate);
    const std::int32_t* counter(const Buffer& buffer) const {
        return reinterpret_cast<const std::int32_t*>(arena.data()) + buffer.offset;
    }
};

namespace {

bool touches_outside(const Step& step) {
    return std::any_of(step.arguments.begin(), step.arguments.end(), [](const Argument& a) {
        const Buffer* buffer = std::get_if<Buffer>(&a);
        return buffer && (buffer->memory == Memory::input || buffer->memory == Memory::output);
    });
}

}  // namespace

void Session::State::bind() {
    steps.resize(plan->steps.size());
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const Step& step = plan->steps[i];
        BoundStep& bound = steps[i];
        bound.step = &step;
        const bool has_list = step.list.argument >= 0;
        if (has_list && step.list.static_count < 0) {
            bound.count = counter(step.list.count);
        }
        bound.splits_list = has_list && step.split.along.empty();
        const std::int64_t most = bound.splits_list ? pool.threads() : step.split.count;
        const int parts =
            step.work < work_for_threads ? 1 : int(std::min<std::int64_t>(pool.threads(), most));
        for (int part = 0; part < parts; ++part) {
            const std::int64_t all = step.split.count;
            const std::int64_t first = bound.splits_list ? 0 : share(all, part, parts);
            const std::int64_t end = bound.splits_list ? all : share(all, part + 1, parts);
            bound.calls.emplace_back(step, arena.data(), plan->constants.data(), first,
                                     end - first);
        }
        if (touches_outside(step)) {
            outside.push_back(&bound);
        }
    }
}

void Session::State::run_list(BoundStep& bound) {
    struct Context {
        BoundStep& bound;
        std::int64_t entries, tile, tiles;
        int parts;
    };
    const ListUse& list = bound.step->list;
    const std::int64_t entries = bound.count ? *bound.count : list.static_count;
    macs_executed += entries * bound.step->macs_per_entry;
    if (entries == 0) {
        return;
    }
    const std::int64_t tiles = (entries + list.tile - 1) / list.tile;
    const int parts = bound.splits_list
                          ? int(std::min<std::int64_t>(std::int64_t(bound.calls.size()), tiles))
                          : int(bound.calls.size());
    Context context{bound, entries, list.tile, tiles, parts};
    pool.run(parts, [](void* pointer, int number) {
        Context& c = *static_cast<Context*>(pointer);
        const auto cut = [&c](int part) {
            return std::min(share(c.tiles, part, c.parts) * c.tile, c.entries);
        };
        const bool splits = c.bound.splits_list;
        const std::int64_t first = splits ? cut(number) : 0;
        const std::int64_t end = splits ? cut(number + 1) : c.entries;
        c.bound.calls[std::size_t(number)].run_list(first, end - first);
    }, &context);
}

void Session::State::run_step(BoundStep& bound) {
    const Step& step = *bound.step;
    macs_executed += step.macs;
    if (step.list.argument >= 0) {
        run_list(bound);
    } else {
        pool.run(int(bound.calls.size()), [](void* pointer, int number) {
            static_cast<BoundStep*>(pointer)->calls[std::size_t(number)].run();
        }, &bound);
    }
}

void Session::State::read_gate(std::size_t gate) {
    const GateSource& source = plan->gate_sources[gate];
    GateReading& reading = readings[gate];
    reading.active = 0;
    for (const Buffer& count : source.counts) {
        reading.active += *counter(count);
    }
    if (!source.counts.empty() && !record_gates) {
        return;
    }
    const Buffer& v = source.values;
    const float* from = reinterpret_cast<const float*>(arena.data()) + v.offset;
    float* to = record_gates ? gate_values[gate].data() : nullptr;
    std::int64_t open = 0;
    for (std::int64_t g = 0; g < v.axes[2].extent; ++g) {
        for (std::int64_t y = 0; y < v.axes[1].extent; ++y) {
            const float* row = from + g * v.axes[2].stride + y * v.axes[1].stride;
            for (std::int64_t x = 0; x < v.axes[0].extent; ++x) {
                const float value = row[x * v.axes[0].stride];
                open += value != 0;
                if (to) {
                    *to++ = value;
                }
            }
        }
    }
    reading.active = open;
}

void Session::State::run_and_record(std::size_t step) {
    const std::int64_t macs_before = macs_executed;
    const auto start = std::chrono::steady_clock::now();
    run_step(steps[step]);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    step_readings[step].seconds += elapsed.count();
    step_readings[step].macs += macs_executed - macs_before;
}

void Session::State::run_picture() {
    std::size_t next_gate = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (step_readings.empty()) {
            run_step(steps[i]);
        } else {
            run_and_record(i);
        }
        while (next_gate < gate_at.size() &&
               plan->gate_sources[gate_at[next_gate]].step == i) {
            read_gate(gate_at[next_gate++]);
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
        return Status(Problem{plan.file, {}, "cannot run on " + std::to_string(options.threads) +
                                                 " threads",
                              "choose 1 to " + std::to_string(max_threads)});
    }
    auto state = std::make_unique<State>(model.plan_, options.threads);
    if (plan.arena_bytes > 0 && state->arena.data() == nullptr) {
        return Status(Problem{plan.file, {}, "there is no memory for its activations",
                              "close other programs"});
    }
    state->record_gates = options.record_gates;
    state->step_readings.resize(options.record_steps ? plan.steps.size() : 0);
    state->bind();
    for (const TensorInfo& info : plan.inputs) {
        state->input_elements.push_back(picture_elements(info));
    }
    for (const TensorInfo& info : plan.outputs) {
        state->output_elements.push_back(picture_elements(info));
    }
    const std::size_t gates = plan.gates.size();
    state->readings.resize(gates);
    state->gate_values.resize(gates);
    for (std::size_t i = 0; i < gates; ++i) {
        const GateInfo& gate = plan.gates[i];
        state->gate_at.push_back(i);
        state->readings[i].total = gate.groups * gate.height * gate.width;
        if (options.record_gates) {
            state->gate_values[i].resize(std::size_t(state->readings[i].total));
            state->readings[i].values = state->gate_values[i];
        }
    }
    std::stable_sort(state->gate_at.begin(), state->gate_at.end(),
                     [&plan](std::size_t a, std::size_t b) {
                         return plan.gate_sources[a].step < plan.gate_sources[b].step;
                     });
    return Session(std::move(state));
}

Status Session::run(std::span<const TensorView> inputs,
                    std::span<const MutableTensorView> outputs) {
    State& state = *state_;
    const Plan& plan = *state.plan;
    if (inputs.size() != plan.inputs.size() || outputs.size() != plan.outputs.size()) {
        return Status(Problem{plan.file, {},
                              "got " + std::to_string(inputs.size()) + " inputs and " +
                                  std::to_string(outputs.size()) + " outputs, and has " +
                                  std::to_string(plan.inputs.size()) + " and " +
                                  std::to_string(plan.outputs.size()),
                              "pass a view for each"});
    }
    std::int64_t batch = -1;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        SLUICE_RETURN_IF_ERROR(
            check_shape(plan.inputs[i], inputs[i].shape, inputs[i].data, batch).in_file(plan.file));
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        SLUICE_RETURN_IF_ERROR(check_shape(plan.outputs[i], outputs[i].shape, outputs[i].data,
                                           batch).in_file(plan.file));
    }
    state.macs_executed = 0;
    std::fill(state.step_readings.begin(), state.step_readings.end(), StepReading{});
    for (std::int64_t picture = 0; picture < batch; ++picture) {
        for (BoundStep* bound : state.outside) {
            for (BoundCall& call : bound->calls) {
                for (std::size_t i = 0; i < inputs.size(); ++i) {
                    call.point_at(Memory::input, int(i),
                                  inputs[i].data + picture * state.input_elements[i]);
                }
                for (std::size_t i = 0; i < outputs.size(); ++i) {
                    call.point_at(Memory::output, int(i),
                                  outputs[i].data + picture * state.output_elements[i]);
                }
            }
        }
        state.run_picture();
    }
    return {};
}

std::int64_t Session::macs_executed() const { return state_->macs_executed; }
std::span<const GateReading> Session::gates() const { return state_->readings; }
std::span<const StepReading> Session::steps() const { return state_->step_readings; }

}  // namespace sluice
