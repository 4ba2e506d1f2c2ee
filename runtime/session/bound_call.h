#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "plan/plan.h"

namespace sluice {

/// One call of a kernel, with its arguments at their addresses, for one thread.
class BoundCall {
public:
    /// Units first .. first + count of the step's split; all of them where it has none.
    BoundCall(const Step& step, std::byte* arena, const std::byte* constants, std::int64_t first,
              std::int64_t count);
    BoundCall(BoundCall&&) noexcept = default;

    void run() { function_(pointers_.data()); }

    /// Runs over `count` entries of the list from `first` on.
    void run_list(std::int64_t first, std::int64_t count) {
        list_->host = list_start_ + first * list_->dim[0].stride * list_->type.bytes();
        list_->dim[0].extent = std::int32_t(count);
        function_(pointers_.data());
    }

    /// Points the arguments in the caller's input or output `index` at one image.
    void point_at(Memory memory, int index, const void* image);

private:
    struct Outside {
        Memory memory;
        int index;
        halide_buffer_t* buffer;
        std::int64_t bytes;
    };
    KernelFunction function_;
    std::unique_ptr<halide_buffer_t[]> buffers_;
    std::unique_ptr<halide_dimension_t[]> dimensions_;
    std::vector<std::int32_t> ints_;
    std::vector<float> floats_;
    std::vector<void*> pointers_;
    std::vector<Outside> outside_;
    halide_buffer_t* list_ = nullptr;
    std::uint8_t* list_start_ = nullptr;
};

/// `units` of the step's split from `first` on, in `calls` calls of about as many each.
std::vector<BoundCall> bind_calls(const Step& step, std::byte* arena, const std::byte* constants,
                                  std::int64_t first, std::int64_t units, std::int64_t calls);

}  // namespace sluice
