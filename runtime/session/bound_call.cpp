#include "session/bound_call.h"

#include <algorithm>

#include "session/shares.h"

namespace sluice {
namespace {

/// A step's argument as one thread sees it, cropped along the split.
Buffer cropped(const Step& step, std::size_t argument, const Buffer& whole, std::int64_t first,
               std::int64_t count) {
    Buffer buffer = whole;
    if (count == step.split.count) {
        return buffer;
    }
    for (const Split::Along& along : step.split.along) {
        if (along.argument == int(argument)) {
            Axis& axis = buffer.axes[std::size_t(along.axis)];
            const std::int64_t start = first * along.elements;
            buffer.offset += start * axis.stride;
            // An input's rows overlap where windows do: it keeps what lies behind its start.
            axis.extent =
                std::min(axis.extent - start, std::max(count * along.elements, std::int64_t{1}));
        }
    }
    return buffer;
}

}  // namespace

BoundCall::BoundCall(const Step& step, std::byte* arena, const std::byte* constants,
                     std::int64_t first, std::int64_t count)
    : function_(step.kernel->function) {
    const std::size_t arguments = step.arguments.size();
    std::size_t axes = 0;
    for (const Argument& argument : step.arguments) {
        const Buffer* buffer = std::get_if<Buffer>(&argument);
        axes += buffer ? buffer->axes.size() : 0;
    }
    buffers_ = std::make_unique<halide_buffer_t[]>(arguments);
    dimensions_ = std::make_unique<halide_dimension_t[]>(axes);
    ints_.resize(arguments);
    floats_.resize(arguments);
    pointers_.resize(arguments);
    halide_dimension_t* next = dimensions_.get();
    for (std::size_t i = 0; i < arguments; ++i) {
        if (const auto* integer = std::get_if<std::int32_t>(&step.arguments[i])) {
            const bool is_first = step.split.first_argument == int(i);
            ints_[i] = *integer + (is_first ? std::int32_t(first) : 0);
            pointers_[i] = &ints_[i];
            continue;
        }
        if (const auto* number = std::get_if<float>(&step.arguments[i])) {
            floats_[i] = *number;
            pointers_[i] = &floats_[i];
            continue;
        }
        const Buffer from = cropped(step, i, std::get<Buffer>(step.arguments[i]), first, count);
        halide_buffer_t& buffer = buffers_[i];
        buffer = halide_buffer_t{};
        buffer.type = from.type;
        buffer.dimensions = int(from.axes.size());
        buffer.dim = next;
        for (const Axis& axis : from.axes) {
            *next++ = halide_dimension_t(0, std::int32_t(axis.extent), std::int32_t(axis.stride));
        }
        const std::int64_t bytes = from.offset * from.type.bytes();
        if (from.memory == Memory::arena) {
            buffer.host = reinterpret_cast<std::uint8_t*>(arena + bytes);
        } else if (from.memory == Memory::constants) {
            // Kernels read their inputs only; Halide's type has no const.
            buffer.host =
                reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(constants) + bytes);
        } else {
            outside_.push_back({from.memory, from.index, &buffer, bytes});
        }
        pointers_[i] = &buffer;
    }
    if (step.list.argument >= 0) {
        list_ = &buffers_[std::size_t(step.list.argument)];
        list_start_ = list_->host;
    }
}

void BoundCall::point_at(Memory memory, int index, const void* image) {
    for (const Outside& outside : outside_) {
        if (outside.memory == memory && outside.index == index) {
            const auto* bytes = static_cast<const std::uint8_t*>(image) + outside.bytes;
            outside.buffer->host = const_cast<std::uint8_t*>(bytes);
        }
    }
}

std::vector<BoundCall> bind_calls(const Step& step, std::byte* arena, const std::byte* constants,
                                  std::int64_t first, std::int64_t units, std::int64_t calls) {
    std::vector<BoundCall> bound;
    for (std::int64_t call = 0; call < calls; ++call) {
        const std::int64_t start = share_start(units, call, calls);
        const std::int64_t end = share_start(units, call + 1, calls);
        bound.emplace_back(step, arena, constants, first + start, end - start);
    }
    return bound;
}

}  // namespace sluice
