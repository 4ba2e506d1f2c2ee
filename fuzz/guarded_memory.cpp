#include "fuzz/guarded_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

namespace sluice::fuzz {
namespace {

std::size_t round_up(std::size_t value, std::size_t unit) {
    return (value + unit - 1) / unit * unit;
}

AllocationPolicy policy;

// The address sanitizer sees both ends of a block.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool sanitizer_guards = true;
#elif defined(__has_feature)
constexpr bool sanitizer_guards = __has_feature(address_sanitizer);
#else
constexpr bool sanitizer_guards = false;
#endif

// Without an allocation of its own: it is what an allocation calls.
constexpr std::size_t most_blocks = 1024;
std::mutex blocks_mutex;
std::array<std::optional<GuardedMemory>, most_blocks> blocks;

}  // namespace

GuardedMemory::GuardedMemory(std::size_t bytes, std::size_t alignment, Guard guard) {
    const auto page = std::size_t(::sysconf(_SC_PAGESIZE));
    const std::size_t unit = std::max(alignment, page);
    const std::size_t inside = round_up(std::max(bytes, std::size_t{1}), unit);
    mapped_ = inside + unit + 2 * page;
    void* const mapping =
        ::mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) {
        return;
    }
    mapping_ = mapping;
    const auto first = round_up(reinterpret_cast<std::uintptr_t>(mapping) + page, unit);
    auto* const start = reinterpret_cast<std::byte*>(first);
    // Whole pages only: a block that fills a part of its last page ends, or begins, in its midst.
    const std::size_t used = round_up(std::max(bytes, std::size_t{1}), page);
    std::byte* const pages = guard == Guard::at_start ? start : start + (inside - used);
    if (::mprotect(pages, used, PROT_READ | PROT_WRITE) != 0) {
        return;
    }
    std::memset(pages, 0xff, used);
    const std::size_t slack = (used - bytes) / alignment * alignment;
    data_ = guard == Guard::at_start ? pages : pages + slack;
}

GuardedMemory::GuardedMemory(GuardedMemory&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapped_(other.mapped_),
      data_(std::exchange(other.data_, nullptr)) {}

GuardedMemory::~GuardedMemory() {
    if (mapping_ != nullptr) {
        ::munmap(mapping_, mapped_);
    }
}

void set_allocation_policy(const AllocationPolicy& next) { policy = next; }

}  // namespace sluice::fuzz

using sluice::fuzz::blocks;
using sluice::fuzz::blocks_mutex;
using sluice::fuzz::GuardedMemory;

// The linker's names for what stands in for aligned_alloc and free.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" {

void __real_free(void* memory);
void* __real_aligned_alloc(std::size_t alignment, std::size_t bytes);

void* __wrap_aligned_alloc(std::size_t alignment, std::size_t bytes) {
    if (bytes > sluice::fuzz::policy.most_bytes) {
        return nullptr;
    }
    if (sluice::fuzz::sanitizer_guards) {
        return __real_aligned_alloc(alignment, bytes);
    }
    const std::lock_guard lock(blocks_mutex);
    for (std::optional<GuardedMemory>& block : blocks) {
        if (!block) {
            block.emplace(bytes, alignment, sluice::fuzz::policy.guard);
            return block->data();
        }
    }
    return nullptr;
}

void __wrap_free(void* memory) {
    if (memory == nullptr) {
        return;
    }
    {
        const std::lock_guard lock(blocks_mutex);
        for (std::optional<GuardedMemory>& block : blocks) {
            if (block && block->data() == memory) {
                block.reset();
                return;
            }
        }
    }
    __real_free(memory);
}
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
