#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "sluice/status.h"

namespace sluice {

/// Threads that run the parts of a task together with the caller. A part belongs to whoever begins
/// it first: a thread that has not woken yet, or whose core another process has, keeps nobody
/// waiting. Between tasks threads spin for a moment, because a network's steps follow within
/// microseconds, and then sleep.
class ThreadPool {
public:
    ThreadPool() = default;
    ~ThreadPool() { stop(); }
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    /// Starts `threads` - 1 threads, once; the caller of run() is the other one. Where the system
    /// refuses one, those that have started end, and the failure says how many there were.
    Status start(int threads);
    int threads() const { return int(workers_.size()) + 1; }

    /// Calls task(context, part) for parts 0 .. parts - 1, fewer than 2^16, and returns when all
    /// are done.
    using Task = void (*)(void* context, int part);
    void run(int parts, Task task, void* context);

private:
    void work();
    void run_parts();
    void stop();

    std::vector<std::thread> workers_;
    /// Of the task under way; read only by those who have begun a part of it, which keeps it there.
    Task task_ = nullptr;
    void* context_ = nullptr;
    std::atomic<std::uint32_t> parts_{0};  ///< all of them << 16 | those that someone has begun
    std::atomic<int> unfinished_{0};
};

}  // namespace sluice
