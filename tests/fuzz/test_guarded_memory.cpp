#include <catch2/catch.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>

#include "fuzz/guarded_memory.h"

namespace {

using sluice::fuzz::Guard;
using sluice::fuzz::GuardedMemory;

/// The signal that ends a process which does so; 0 where it goes on.
int signal_of(const std::function<void()>& action) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGSEGV, SIG_DFL);  // Catch's own handler would report a failure
        action();
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int signal_at(volatile std::byte* place) {
    return signal_of([place] { *place = std::byte{1}; });
}

}  // namespace

TEST_CASE("guarded memory ends at its last byte, and begins at its first") {
    for (const std::size_t bytes : {4, 60, 4096, 4100, 20000}) {
        CAPTURE(bytes);
        const GuardedMemory before(bytes, 4, Guard::at_start), behind(bytes, 4, Guard::at_end);
        for (const GuardedMemory* memory : {&before, &behind}) {
            REQUIRE(memory->data() != nullptr);
            CHECK(signal_at(memory->data()) == 0);
            CHECK(signal_at(memory->data() + bytes - 1) == 0);
            CHECK(std::all_of(memory->data(), memory->data() + bytes,
                              [](std::byte b) { return b == std::byte{0xff}; }));
        }
        CHECK(signal_at(before.data() - 1) == SIGSEGV);
        CHECK(signal_at(behind.data() + bytes) == SIGSEGV);
    }
}

TEST_CASE("guarded memory is aligned, and as near to its guard as that lets it") {
    constexpr std::size_t huge = std::size_t{2} << 20;
    for (const std::size_t alignment : {std::size_t{64}, huge}) {
        for (const Guard guard : {Guard::at_start, Guard::at_end}) {
            const GuardedMemory memory(2 * alignment, alignment, guard);
            REQUIRE(memory.data() != nullptr);
            CHECK(reinterpret_cast<std::uintptr_t>(memory.data()) % alignment == 0);
            const bool is_start = guard == Guard::at_start;
            CHECK(signal_at(memory.data() + (is_start ? -1 : std::ptrdiff_t(2 * alignment))) ==
                  SIGSEGV);
        }
    }
}

TEST_CASE("aligned_alloc answers from guarded memory, up to a limit") {
    sluice::fuzz::set_allocation_policy({Guard::at_end, 4096});
    CHECK(std::aligned_alloc(64, 8192) == nullptr);
    auto* const memory = static_cast<std::byte*>(std::aligned_alloc(64, 128));
    REQUIRE(memory != nullptr);
    CHECK(signal_at(memory + 127) == 0);
    CHECK(signal_at(memory + 128) == SIGSEGV);
    std::free(memory);
    CHECK(signal_at(memory) == SIGSEGV);
}
