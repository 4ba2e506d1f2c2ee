#pragma once

#include <HalideRuntime.h>

#include <array>
#include <cstddef>
#include <iterator>
#include <span>
#include <string_view>
#include <type_traits>

#include "kernels/kernel.h"

/// What the structs of kernels/calls.h, one for each signature of a generator, have in common. The
/// build writes that header from what the generators say of their arguments.
namespace sluice {

/// An argument of a kernel, as its generator declares it.
struct ArgumentInfo {
    std::string_view name;
    bool is_buffer;
    halide_type_t type;
    int dimensions;  ///< of a buffer
    bool is_output;
};

/// The number of an argument by the field that holds it: index_of(&FillCall<Buffer>::side).
template <typename Call, typename Field>
constexpr int index_of(Field Call::*field) {
    Call call{};
    const void* const wanted = &(call.*field);
    int index = 0, found = -1;
    Call::visit(call, [&](const auto& each) {
        found = wanted == static_cast<const void*>(&each) ? index : found;
        ++index;
    });
    return found;
}

/// The number of a kernel's first output; those behind it are outputs too.
constexpr int first_output(std::span<const ArgumentInfo> arguments) {
    int first = int(arguments.size());
    while (first > 0 && arguments[std::size_t(first) - 1].is_output) {
        --first;
    }
    return first;
}

/// Calls a kernel, which has to be one of the struct's generator; returns 0, as every kernel does.
template <template <typename> typename Call>
int call(const Kernel& kernel, Call<halide_buffer_t*> arguments) {
    void* pointers[std::size(Call<halide_buffer_t*>::arguments)];
    void** next = pointers;
    Call<halide_buffer_t*>::visit(arguments, [&](auto& field) {
        if constexpr (std::is_same_v<decltype(field), halide_buffer_t*&>) {
            *next++ = field;
        } else {
            *next++ = &field;
        }
    });
    return kernel.function(pointers);
}

/// Whether a compiled kernel has the arguments of a struct.
template <std::size_t count>
constexpr bool has_arguments(const std::array<HalideFunctionInfo::ArgumentInfo, count>& kernel,
                             std::span<const ArgumentInfo> arguments) {
    bool same = count == arguments.size();
    for (std::size_t i = 0; same && i < count; ++i) {
        const auto& has = kernel[i];
        const ArgumentInfo& wants = arguments[i];
        same = has.name == wants.name && has.dimensions == wants.dimensions &&
               (has.kind != HalideFunctionInfo::InputScalar) == wants.is_buffer &&
               (has.kind == HalideFunctionInfo::OutputBuffer) == wants.is_output &&
               has.type.code == wants.type.code && has.type.bits == wants.type.bits &&
               has.type.lanes == wants.type.lanes;
    }
    return same;
}

}  // namespace sluice
