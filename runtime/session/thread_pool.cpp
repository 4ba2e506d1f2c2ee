#include "session/thread_pool.h"

#include <chrono>
#include <new>
#include <string>
#include <system_error>

namespace sluice {
namespace {

/// Longer than what lies between most steps of a network. Twice the time that waking takes, so that
/// it costs a thread that sleeps at most three times what a perfect guess would.
constexpr std::chrono::microseconds spin_time{40};

constexpr std::uint32_t stopped = ~std::uint32_t{0};

bool has_part(std::uint32_t parts) { return (parts & 0xffff) < parts >> 16; }

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

/// Waits until `is_done` holds for the value, at first without giving up the core.
template <typename T, typename IsDone>
void await(const std::atomic<T>& value, IsDone is_done) {
    constexpr int looks = 32;  // between two readings of the clock
    const auto end = std::chrono::steady_clock::now() + spin_time;
    do {
        for (int i = 0; i < looks; ++i) {
            if (is_done(value.load(std::memory_order_acquire))) {
                return;
            }
            relax();
        }
    } while (std::chrono::steady_clock::now() < end);
    for (T seen = value.load(std::memory_order_acquire); !is_done(seen);
         seen = value.load(std::memory_order_acquire)) {
        value.wait(seen, std::memory_order_acquire);
    }
}

}  // namespace

Status ThreadPool::start(int threads) {
    std::string why;
    try {
        workers_.reserve(std::size_t(threads - 1));
        while (int(workers_.size()) < threads - 1) {
            workers_.emplace_back([this] { work(); });
        }
        return {};
    } catch (const std::system_error& error) {
        why = error.code().message();
    } catch (const std::bad_alloc&) {
        why = "there is no memory for it";
    }
    const std::string started = std::to_string(workers_.size() + 1);
    stop();
    return Status::error(
        "cannot start thread " + started + " of " + std::to_string(threads - 1) + ": " + why,
        "choose fewer threads");
}

void ThreadPool::stop() {
    parts_.store(stopped, std::memory_order_release);
    parts_.notify_all();
    for (std::thread& worker : workers_) {
        worker.join();
    }
    workers_.clear();
}

void ThreadPool::work() {
    while (true) {
        await(parts_, [](std::uint32_t parts) { return parts == stopped || has_part(parts); });
        if (parts_.load(std::memory_order_acquire) == stopped) {
            return;
        }
        run_parts();
    }
}

void ThreadPool::run_parts() {
    std::uint32_t parts = parts_.load(std::memory_order_acquire);
    while (parts != stopped && has_part(parts)) {
        if (!parts_.compare_exchange_weak(parts, parts + 1, std::memory_order_acq_rel,
                                          std::memory_order_acquire)) {
            continue;
        }
        task_(context_, int(parts & 0xffff));
        if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            unfinished_.notify_one();
        }
        parts = parts_.load(std::memory_order_acquire);
    }
}

void ThreadPool::run(int parts, Task task, void* context) {
    if (parts <= 1 || workers_.empty()) {
        for (int part = 0; part < parts; ++part) {
            task(context, part);
        }
        return;
    }
    task_ = task;
    context_ = context;
    unfinished_.store(parts, std::memory_order_relaxed);
    parts_.store(std::uint32_t(parts) << 16, std::memory_order_release);
    for (int part = 1; part < parts; ++part) {
        parts_.notify_one();
    }
    run_parts();
    await(unfinished_, [](int unfinished) { return unfinished == 0; });
}

}  // namespace sluice
