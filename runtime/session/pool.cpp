#include "session/pool.h"

namespace sluice {
namespace {

constexpr int spins = 4000;

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

}  // namespace

Pool::Pool(int threads) {
    for (int number = 1; number < threads; ++number) {
        workers_.emplace_back([this, number] { work(number); });
    }
}

Pool::~Pool() {
    stops_.store(true, std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    for (std::thread& worker : workers_) {
        worker.join();
    }
}

void Pool::work(int number) {
    std::uint32_t seen = 0;
    while (true) {
        for (int i = 0; i < spins && round_.load(std::memory_order_relaxed) == seen; ++i) {
            relax();
        }
        round_.wait(seen, std::memory_order_acquire);
        seen = round_.load(std::memory_order_acquire);
        if (stops_.load(std::memory_order_relaxed)) {
            return;
        }
        if (number < wanted_) {
            task_(context_, number);
        }
        unfinished_.fetch_sub(1, std::memory_order_release);
    }
}

void Pool::run(int threads, Task task, void* context) {
    if (threads <= 1 || workers_.empty()) {
        task(context, 0);
        return;
    }
    task_ = task;
    context_ = context;
    wanted_ = threads;
    unfinished_.store(int(workers_.size()), std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    task(context, 0);
    int spun = 0;
    while (unfinished_.load(std::memory_order_acquire) != 0) {
        if (spun < spins) {
            ++spun;
            relax();
        } else {
            // With more threads than cores, the one waited for may need this core.
            std::this_thread::yield();
        }
    }
}

}  // namespace sluice
