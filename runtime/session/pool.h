#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace sluice {

/// Where part `part` of `parts` about equal ones begins.
inline std::int64_t share(std::int64_t count, int part, int parts) { return count * part / parts; }

/// Threads that run the same task together, the caller as number 0. Between tasks they spin for a
/// moment, because a network's steps follow within microseconds, and then sleep.
class Pool {
public:
    explicit Pool(int threads);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    int threads() const { return int(workers_.size()) + 1; }

    /// Calls task(context, number) on threads 0 .. threads - 1 and returns when all are done.
    using Task = void (*)(void* context, int number);
    void run(int threads, Task task, void* context);

private:
    void work(int number);

    std::vector<std::thread> workers_;
    Task task_ = nullptr;
    void* context_ = nullptr;
    int wanted_ = 0;
    std::atomic<std::uint32_t> round_{0};
    std::atomic<int> unfinished_{0};
    std::atomic<bool> stops_{false};
};

}  // namespace sluice
