#include "classify/work_in_order.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

namespace sluice::classify {
namespace {

class Queue {
public:
    explicit Queue(const OrderedWork& work) : work_(work), done_(work.ahead, false) {}

    void serve(int thread) {
        try {
            while (const std::optional<std::size_t> piece = begin_next()) {
                work_.work(thread, *piece);
                finish(*piece);
            }
        } catch (const std::exception& exception) {
            // Not enough memory, in practice. A thread must not let it pass.
            stop(Status::error(exception.what(), "free some memory"));
        }
    }

    void stop(const Status& failure) {
        const std::lock_guard lock(mutex_);
        if (failure_.ok()) {
            failure_ = failure;
        }
        room_.notify_all();
    }

    const Status& failure() const { return failure_; }

private:
    std::optional<std::size_t> begin_next() {
        std::unique_lock lock(mutex_);
        const std::size_t piece = next_;
        if (piece == work_.count) {
            return std::nullopt;
        }
        ++next_;
        room_.wait(lock, [&] { return !failure_.ok() || piece < taken_ + work_.ahead; });
        return failure_.ok() ? std::optional(piece) : std::nullopt;
    }

    // The thread that finishes the piece whose turn it is takes all that are then in order. The
    // others do not wait for it.
    void finish(std::size_t piece) {
        std::unique_lock lock(mutex_);
        done_[piece % work_.ahead] = true;
        if (taking_) {
            return;
        }
        taking_ = true;
        while (failure_.ok() && done_[taken_ % work_.ahead]) {
            const std::size_t turn = taken_;
            lock.unlock();
            const Status status = work_.take(turn);
            lock.lock();
            done_[turn % work_.ahead] = false;
            ++taken_;
            if (!status.ok() && failure_.ok()) {
                failure_ = status;
            }
            room_.notify_all();
        }
        taking_ = false;
    }

    const OrderedWork& work_;
    std::mutex mutex_;
    std::condition_variable room_;
    std::vector<bool> done_;  ///< of the pieces from `taken_` on, each at its place modulo `ahead`
    std::size_t next_ = 0;
    std::size_t taken_ = 0;
    bool taking_ = false;
    Status failure_;
};

}  // namespace

Status work_in_order(const OrderedWork& work) {
    Queue queue(work);
    {
        std::vector<std::jthread> threads;
        try {
            for (int number = 1; number < work.threads; ++number) {
                threads.emplace_back([&queue, number] { queue.serve(number); });
            }
        } catch (const std::system_error& error) {
            queue.stop(Status::error("cannot start " + std::to_string(work.threads) +
                                         " threads: " + error.code().message(),
                                     "choose fewer with --threads"));
        }
        queue.serve(0);
    }
    return queue.failure();
}

}  // namespace sluice::classify
