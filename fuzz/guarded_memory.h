#pragma once

#include <cstddef>

namespace sluice::fuzz {

/// Which end of a block lies against an inaccessible page, byte for byte: the other end is as near
/// to one as the alignment lets it.
enum class Guard { at_start, at_end };

/// Memory between two inaccessible pages, so that a kernel that leaves it is killed at once. It is
/// filled with 0xff, which as float32 is NaN: what is read before it is written shows in the
/// answer.
class GuardedMemory {
public:
    /// `alignment` is a power of two. Null data() where there is no such memory left.
    GuardedMemory(std::size_t bytes, std::size_t alignment, Guard guard);
    GuardedMemory(GuardedMemory&& other) noexcept;
    GuardedMemory(const GuardedMemory&) = delete;
    GuardedMemory& operator=(const GuardedMemory&) = delete;
    ~GuardedMemory();

    std::byte* data() const { return data_; }

private:
    void* mapping_ = nullptr;
    std::size_t mapped_ = 0;
    std::byte* data_ = nullptr;
};

/// How std::aligned_alloc answers from now on in a program that links with --wrap=aligned_alloc and
/// --wrap=free: the runtime takes activations and weights from it. More than `most_bytes` at a time
/// are refused, as where memory is short. Under the address sanitizer, which sees both ends, blocks
/// are its own.
struct AllocationPolicy {
    Guard guard = Guard::at_end;
    std::size_t most_bytes = 0;
};
void set_allocation_policy(const AllocationPolicy& policy);

}  // namespace sluice::fuzz
