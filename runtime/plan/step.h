#pragma once

#include <HalideRuntime.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernels/call.h"
#include "kernels/calls.h"
#include "kernels/registry.h"

namespace sluice {

/// What a buffer's offset counts from.
enum class Memory {
    arena,      ///< the session's own memory
    constants,  ///< packed weights and tables of the plan
    input,      ///< the caller's input number `index`, at the image that runs
    output,     ///< the caller's output number `index`, likewise
};

struct Axis {
    std::int64_t extent = 1;
    std::int64_t stride = 0;  ///< elements
};

/// A kernel's buffer: axes innermost first, as the generator names them.
struct Buffer {
    Memory memory = Memory::arena;
    int index = 0;            ///< of the input, the output or the arena's block
    std::int64_t offset = 0;  ///< elements of `type`
    halide_type_t type = halide_type_of<float>();
    std::vector<Axis> axes;
};

using Argument = std::variant<Buffer, std::int32_t, float>;

/// How a call is shared out between threads: `count` units, each a step along these axes.
struct Split {
    struct Along {
        int argument;  ///< of along()
        int axis;
        std::int64_t elements;  ///< along the axis, per unit
    };
    std::int64_t count = 1;  ///< 1: one thread runs it all
    std::vector<Along> along;
    int first_argument = -1;  ///< integer argument that says which unit is the first; -1: none
    /// A call for each unit, on one thread as well: what it alone reads then stays in the cache.
    bool one_by_one = false;

    /// Calls that `parts` threads make.
    std::int64_t calls_of(int parts) const { return one_by_one ? count : parts; }
};

/// A list that a call walks, whose length a scan may have written in the same run.
struct ListUse {
    int argument = -1;               ///< -1: the call walks no list
    std::int64_t tile = 1;           ///< entries that are computed together: threads cut it there
    std::int64_t static_count = -1;  ///< -1: read from `count`
    Buffer count;                    ///< one int32 of the arena
    /// Outputs that the entries compute, an int32 of the arena; none: an entry is one output of
    /// each channel.
    std::optional<Buffer> outputs;
};

/// The number of the way that an earlier step of the same run has chosen, an int32 of the arena.
/// See conv/select.h.
struct Choice {
    Buffer chosen;
    std::int32_t number = 0;  ///< the step runs where this is chosen
};

/// A buffer that a step reads row by row: for its own row r the rows from r * stride - above on,
/// `window` of them.
struct RowsRead {
    int argument;
    std::int64_t stride = 1, above = 0, window = 1;
};

/// What rows a step may compute apart from the others: see plan/strips.h.
struct Rows {
    std::int64_t height = 0;  ///< of the output
    std::int64_t units = 1;   ///< a row is: entries of the step's list, else units of its split
    std::vector<RowsRead> reads;
};

/// One line of the plan: a call of a kernel.
struct Step {
    const Kernel* kernel = nullptr;
    std::vector<Argument> arguments;  ///< set_call's, in the generator's order
    int first_output = 0;             ///< the arguments from here on are written
    Split split;
    ListUse list;
    std::optional<Choice> choice;  ///< none: the step runs in every run
    std::optional<Rows> rows;      ///< none: it is run as a whole

    std::int64_t macs = 0;            ///< per run, whatever the gates say
    std::int64_t macs_per_entry = 0;  ///< and for each entry of the list, or each of its outputs
    std::int64_t work = 0;            ///< rough floating-point operations, to decide on threads

    // For `classify --explain` and per-layer times.
    std::string node;
    std::string shape;
    std::int64_t packed_bytes = 0;
    std::string remark;
};

/// Gives a step its kernel's arguments by name: set_call(step, FillCall<Buffer>{.list = ...}).
template <template <typename> class Call>
void set_call(Step& step, const Call<Buffer>& call) {
    step.arguments.clear();
    step.first_output = first_output(Call<Buffer>::arguments);
    Call<Buffer>::visit(call, [&step](const auto& field) { step.arguments.emplace_back(field); });
}

/// The arguments of a step by name. The step's kernel must be one of that call.
template <template <typename> class Call>
Call<Buffer> call_of(const Step& step) {
    Call<Buffer> call;
    std::size_t next = 0;
    Call<Buffer>::visit(call, [&](auto& field) {
        using Field = std::remove_reference_t<decltype(field)>;
        if (const Field* value = std::get_if<Field>(&step.arguments[next++])) {
            field = *value;
        }
    });
    return call;
}

/// Calls visit(buffer, argument) for all buffers of a Step or const Step: its arguments, and, as
/// argument -1, the counts and the choice that it reads.
template <typename StepOf, typename Visit>
void for_each_buffer(StepOf& step, Visit visit) {
    for (std::size_t i = 0; i < step.arguments.size(); ++i) {
        if (auto* buffer = std::get_if<Buffer>(&step.arguments[i])) {
            visit(*buffer, int(i));
        }
    }
    if (step.list.argument >= 0 && step.list.static_count < 0) {
        visit(step.list.count, -1);
    }
    if (step.list.outputs) {
        visit(*step.list.outputs, -1);
    }
    if (step.choice) {
        visit(step.choice->chosen, -1);
    }
}

/// A unit of a split: along(&FillCall<Buffer>::output, 0, block).
template <typename Call>
Split::Along along(Buffer Call::*field, int axis, std::int64_t elements) {
    return {index_of(field), axis, elements};
}

}  // namespace sluice
