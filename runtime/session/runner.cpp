#include "session/runner.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "session/shares.h"

namespace sluice {
namespace {

/// A step with less work runs on one thread: waking the others takes about as long.
constexpr std::int64_t work_for_threads = 100'000;

/// Notes a step with the tensors of the caller that it touches.
void note_outside(const Step& step, std::size_t number,
                  std::vector<std::vector<std::size_t>>& input_steps,
                  std::vector<std::vector<std::size_t>>& output_steps) {
    for (const Argument& argument : step.arguments) {
        const Buffer* buffer = std::get_if<Buffer>(&argument);
        if (!buffer || (buffer->memory != Memory::input && buffer->memory != Memory::output)) {
            continue;
        }
        auto& steps = (buffer->memory == Memory::input ? input_steps
                                                       : output_steps)[std::size_t(buffer->index)];
        if (steps.empty() || steps.back() != number) {
            steps.push_back(number);
        }
    }
}

}  // namespace

Runner::Runner(const Plan& plan, std::byte* arena, ThreadPool* pool, const SessionOptions& options)
    : plan_(&plan),
      arena_(arena),
      pool_(pool),
      input_steps_(plan.inputs.size()),
      output_steps_(plan.outputs.size()) {
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        steps_.push_back(bind(plan.steps[i]));
        note_outside(plan.steps[i], i, input_steps_, output_steps_);
    }
    for (const Chain& chain : plan.chains) {
        bind_chain(chain);
    }
    step_readings_.resize(options.record_steps ? plan.steps.size() : 0);
    gates_.resize(plan.gates.size());
    gate_values_.resize(options.record_gates ? plan.gates.size() : 0);
    for (std::size_t i = 0; i < plan.gates.size(); ++i) {
        const GateInfo& gate = plan.gates[i];
        gate_order_.push_back(i);
        gates_[i].total = gate.groups * gate.height * gate.width;
        if (options.record_gates) {
            gate_values_[i].resize(std::size_t(gates_[i].total));
            gates_[i].values = gate_values_[i];
        }
    }
    std::stable_sort(gate_order_.begin(), gate_order_.end(), [&plan](std::size_t a, std::size_t b) {
        return plan.gate_sources[a].step < plan.gate_sources[b].step;
    });
}

Runner::BoundStep Runner::bind(const Step& step) const {
    BoundStep bound;
    bound.step = &step;
    const bool has_list = step.list.argument >= 0;
    if (has_list && step.list.static_count < 0) {
        bound.count = counter(step.list.count);
    }
    if (step.list.outputs) {
        bound.outputs = counter(*step.list.outputs);
    }
    if (step.choice) {
        bound.chosen = counter(step.choice->chosen);
    }
    bound.splits_list = has_list && step.split.along.empty();
    const std::int64_t all = step.split.count;
    bound.parts = parts_of(step, bound.splits_list ? std::numeric_limits<int>::max() : all);
    const std::byte* const constants = plan_->constants.data();
    if (!bound.splits_list) {
        bound.calls = bind_calls(step, arena_, constants, 0, all, step.split.calls_of(bound.parts));
        return bound;
    }
    for (int part = 0; part < bound.parts; ++part) {
        bound.calls.emplace_back(step, arena_, constants, 0, all);
    }
    return bound;
}

int Runner::parts_of(const Step& step, std::int64_t units) const {
    const int threads = pool_ ? pool_->threads() : 1;
    return step.work < work_for_threads ? 1 : int(std::min<std::int64_t>(threads, units));
}

void Runner::bind_chain(const Chain& chain) {
    std::vector<BoundStrip>& bound = strips_.emplace_back();
    for (const Strip& strip : strips_of(plan_->steps, chain, pool_ ? pool_->threads() : 1)) {
        const Step& step = plan_->steps[strip.step];
        const int parts = step.list.argument >= 0 ? 0 : parts_of(step, strip.count);
        bound.push_back(
            {strip.step, strip.first, strip.count,
             bind_calls(step, arena_, plan_->constants.data(), strip.first, strip.count, parts)});
    }
}

void Runner::point_at(Memory memory, int index, const void* image) {
    const auto& steps = memory == Memory::input ? input_steps_ : output_steps_;
    for (const std::size_t step : steps[std::size_t(index)]) {
        for (BoundCall& call : steps_[step].calls) {
            call.point_at(memory, index, image);
        }
    }
}

void Runner::share_out(int parts, ThreadPool::Task task, void* context) {
    if (parts > 1) {
        pool_->run(parts, task, context);
    } else {
        task(context, 0);
    }
}

void Runner::run_list(BoundStep& bound) {
    const ListUse& list = bound.step->list;
    const std::int64_t entries = bound.count ? *bound.count : list.static_count;
    macs_executed_ += (bound.outputs ? *bound.outputs : entries) * bound.step->macs_per_entry;
    run_entries(bound, 0, entries);
}

void Runner::run_entries(BoundStep& bound, std::int64_t first, std::int64_t entries) {
    struct Context {
        BoundStep& bound;
        std::int64_t first, entries, tile, tiles;
        int parts;
    };
    if (entries == 0) {
        return;
    }
    const std::int64_t tile = bound.step->list.tile;
    const std::int64_t tiles = (entries + tile - 1) / tile;
    const int parts =
        bound.splits_list ? int(std::min<std::int64_t>(bound.parts, tiles)) : bound.parts;
    Context context{bound, first, entries, tile, tiles, parts};
    share_out(
        parts,
        [](void* pointer, int number) {
            Context& c = *static_cast<Context*>(pointer);
            if (c.bound.splits_list) {
                const auto cut = [&c](int part) {
                    return std::min(share_start(c.tiles, part, c.parts) * c.tile, c.entries);
                };
                const std::int64_t start = cut(number), end = cut(number + 1);
                c.bound.calls[std::size_t(number)].run_list(c.first + start, end - start);
                return;
            }
            const auto calls = std::int64_t(c.bound.calls.size());
            const std::int64_t end = share_start(calls, number + 1, c.parts);
            for (std::int64_t call = share_start(calls, number, c.parts); call < end; ++call) {
                c.bound.calls[std::size_t(call)].run_list(c.first, c.entries);
            }
        },
        &context);
}

void Runner::run_calls(std::vector<BoundCall>& calls) {
    share_out(
        int(calls.size()),
        [](void* pointer, int number) {
            (*static_cast<std::vector<BoundCall>*>(pointer))[std::size_t(number)].run();
        },
        &calls);
}

void Runner::run_step(BoundStep& bound) {
    const Step& step = *bound.step;
    if (bound.chosen && *bound.chosen != step.choice->number) {
        return;
    }
    macs_executed_ += step.macs;
    if (step.list.argument >= 0) {
        run_list(bound);
        return;
    }
    run_calls(bound.calls);
}

void Runner::run_strip(BoundStrip& strip) {
    const Step& step = plan_->steps[strip.step];
    macs_executed_ += strip.first == 0 ? step.macs : 0;
    if (step.list.argument >= 0) {
        run_entries(steps_[strip.step], strip.first, strip.count);
    } else {
        run_calls(strip.calls);
    }
}

template <typename Run>
void Runner::record(std::size_t step, Run run) {
    if (step_readings_.empty()) {
        run();
        return;
    }
    const std::int64_t macs_before = macs_executed_;
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    step_readings_[step].seconds += elapsed.count();
    step_readings_[step].macs += macs_executed_ - macs_before;
}

namespace {

/// Calls row(first value, how many, stride) for each row of a gate's values.
template <typename Row>
void for_each_row(const Buffer& v, const float* from, const Row& row) {
    for (std::int64_t g = 0; g < v.axes[2].extent; ++g) {
        for (std::int64_t y = 0; y < v.axes[1].extent; ++y) {
            row(from + g * v.axes[2].stride + y * v.axes[1].stride, v.axes[0].extent,
                v.axes[0].stride);
        }
    }
}

std::int64_t count_active(const Buffer& v, const float* from) {
    std::int64_t active = 0;
    for_each_row(v, from, [&](const float* row, std::int64_t extent, std::int64_t stride) {
        for (std::int64_t x = 0; x < extent; ++x) {
            active += row[x * stride] != 0;
        }
    });
    return active;
}

/// In the order of x, y and group, without gaps.
void copy_values(const Buffer& v, const float* from, float* to) {
    for_each_row(v, from, [&](const float* row, std::int64_t extent, std::int64_t stride) {
        if (stride == 1) {
            to = std::copy_n(row, extent, to);
            return;
        }
        for (std::int64_t x = 0; x < extent; ++x) {
            *to++ = row[x * stride];
        }
    });
}

}  // namespace

void Runner::read_gate(std::size_t gate) {
    const GateSource& source = plan_->gate_sources[gate];
    const float* from = reinterpret_cast<const float*>(arena_) + source.values.offset;
    GateReading& reading = gates_[gate];
    reading.active = source.counts.empty() ? count_active(source.values, from) : 0;
    for (const Buffer& count : source.counts) {
        reading.active += *counter(count);
    }
    if (!gate_values_.empty()) {
        copy_values(source.values, from, gate_values_[gate].data());
    }
}

void Runner::run_steps(std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
        run_step(steps_[i]);
    }
}

void Runner::run_chain(std::vector<BoundStrip>& strips) {
    for (BoundStrip& strip : strips) {
        record(strip.step, [&] { run_strip(strip); });
    }
}

void Runner::run_image() {
    std::size_t next_gate = 0, next_chain = 0;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
        if (next_chain < strips_.size() && plan_->chains[next_chain].first == i) {
            run_chain(strips_[next_chain]);
            i = plan_->chains[next_chain++].last;
        } else {
            record(i, [&] { run_step(steps_[i]); });
        }
        while (next_gate < gate_order_.size() &&
               plan_->gate_sources[gate_order_[next_gate]].step <= i) {
            read_gate(gate_order_[next_gate++]);
        }
    }
}

void Runner::reset() {
    macs_executed_ = 0;
    std::fill(step_readings_.begin(), step_readings_.end(), StepReading{});
}

}  // namespace sluice
