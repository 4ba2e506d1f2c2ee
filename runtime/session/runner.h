#pragma once

#include <cstdint>
#include <vector>

#include "plan/plan.h"
#include "session/bound_call.h"
#include "session/thread_pool.h"
#include "sluice/session.h"

namespace sluice {

/// A plan bound to one arena: runs one image at a time, and counts what it did.
class Runner {
public:
    /// `pool` shares out the work inside steps; null: the caller's thread does it all. The arena
    /// holds zeros at the first run.
    Runner(const Plan& plan, std::byte* arena, ThreadPool* pool, const SessionOptions& options);
    Runner(Runner&&) noexcept = default;

    /// Points the plan's input or output `index` at one image of the caller's memory.
    void point_at(Memory memory, int index, const void* image);
    void run_image();
    /// Runs the steps first .. last - 1 alone, and reads no gates.
    void run_steps(std::size_t first, std::size_t last);

    /// Forgets what has been counted.
    void reset();
    std::int64_t macs_executed() const { return macs_executed_; }
    const std::vector<GateReading>& gates() const { return gates_; }
    const std::vector<StepReading>& steps() const { return step_readings_; }

private:
    /// A step's calls, one per thread or unit, and what is kept beside the plan about it.
    struct BoundStep {
        const Step* step = nullptr;
        std::vector<BoundCall> calls;
        const std::int32_t* count = nullptr;    ///< entries of the list
        const std::int32_t* outputs = nullptr;  ///< what the entries compute; null: `count`
        const std::int32_t* chosen = nullptr;   ///< the way that this run takes
        bool splits_list = false;
        int parts = 1;  ///< threads that share out the calls, or of each call the list
    };

    /// What a chain computes of one step in a turn.
    struct BoundStrip {
        std::size_t step = 0;
        std::int64_t first = 0, count = 0;  ///< entries of the step's list, if it has one
        std::vector<BoundCall> calls;       ///< else one per thread
    };

    BoundStep bind(const Step& step) const;
    /// How many threads share out a step of so many units.
    int parts_of(const Step& step, std::int64_t units) const;
    void bind_chain(const Chain& chain);
    void run_chain(std::vector<BoundStrip>& strips);
    void run_strip(BoundStrip& strip);
    void run_calls(std::vector<BoundCall>& calls);
    void run_step(BoundStep& bound);
    /// Runs (a part of) a step, and adds what it takes to its readings where there are any.
    template <typename Run>
    void record(std::size_t step, Run run);
    void run_list(BoundStep& bound);
    void run_entries(BoundStep& bound, std::int64_t first, std::int64_t entries);
    void share_out(int parts, ThreadPool::Task task, void* context);
    void read_gate(std::size_t gate);
    const std::int32_t* counter(const Buffer& buffer) const {
        return reinterpret_cast<const std::int32_t*>(arena_) + buffer.offset;
    }

    const Plan* plan_;
    std::byte* arena_;
    ThreadPool* pool_;
    std::vector<BoundStep> steps_;
    std::vector<std::vector<BoundStrip>> strips_;  ///< of each of the plan's chains
    /// Steps that touch the caller's input, and output, of each number.
    std::vector<std::vector<std::size_t>> input_steps_, output_steps_;
    std::vector<std::size_t> gate_order_;          ///< gates in the order of their steps
    std::vector<std::vector<float>> gate_values_;  ///< empty unless gates are recorded
    std::vector<GateReading> gates_;
    std::vector<StepReading> step_readings_;  ///< empty unless steps are recorded
    std::int64_t macs_executed_ = 0;
};

}  // namespace sluice
