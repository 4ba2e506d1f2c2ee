#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "classify/work_in_order.h"

using namespace sluice;
using namespace sluice::classify;

namespace {

std::vector<std::size_t> first_numbers(std::size_t count) {
    std::vector<std::size_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), std::size_t{0});
    return numbers;
}

void wait_a_moment() { std::this_thread::sleep_for(std::chrono::microseconds(200)); }

}  // namespace

TEST_CASE("pieces are taken in their order, and none begins too far ahead") {
    for (const int threads : {1, 2, 3, 7}) {
        for (const std::size_t ahead : {1, 2, 5}) {
            for (const std::size_t count : {0, 1, 2, 40}) {
                CAPTURE(threads, ahead, count);
                std::vector<std::size_t> ring(ahead, count);
                std::vector<std::size_t> order;
                std::atomic<std::size_t> taken{0};
                std::atomic<int> taking{0};
                std::atomic<bool> too_far{false}, together{false};
                OrderedWork work{count, threads, ahead, {}, {}};
                work.work = [&](int, std::size_t piece) {
                    too_far = too_far || piece >= taken + ahead;
                    if (piece % 3 == 0) {
                        wait_a_moment();
                    }
                    ring[piece % ahead] = piece;
                };
                work.take = [&](std::size_t piece) {
                    together = together || taking++ != 0;
                    order.push_back(ring[piece % ahead]);
                    --taking;
                    ++taken;
                    return Status();
                };
                CHECK(work_in_order(work).ok());
                CHECK(order == first_numbers(count));
                CHECK_FALSE(too_far);
                CHECK_FALSE(together);
            }
        }
    }
}

TEST_CASE("every thread works, under its own number") {
    std::mutex mutex;
    std::set<int> numbers;
    std::set<std::thread::id> ids;
    std::atomic<int> present{0};
    OrderedWork work{3, 3, 3, {}, [](std::size_t) { return Status(); }};
    work.work = [&](int thread, std::size_t) {
        {
            const std::lock_guard lock(mutex);
            numbers.insert(thread);
            ids.insert(std::this_thread::get_id());
        }
        // No piece ends before all have begun, each in a thread of its own.
        for (++present; present < 3;) {
            std::this_thread::yield();
        }
    };
    REQUIRE(work_in_order(work).ok());
    CHECK(numbers == std::set<int>{0, 1, 2});
    CHECK(ids.size() == 3);
    CHECK(ids.count(std::this_thread::get_id()) == 1);
}

TEST_CASE("a failure to take ends the work, though later pieces are done") {
    for (const int threads : {1, 3}) {
        std::vector<std::size_t> order;
        std::atomic<std::size_t> done{0};
        OrderedWork work{1000, threads, 4, {}, {}};
        work.work = [&](int, std::size_t piece) {
            // All that may begin before this one is taken.
            while (piece == 5 && threads > 1 && done < 8) {
                std::this_thread::yield();
            }
            ++done;
        };
        work.take = [&](std::size_t piece) {
            order.push_back(piece);
            return piece == 5 ? Status::error("the disk is full") : Status();
        };
        const Status status = work_in_order(work);
        REQUIRE_FALSE(status.ok());
        CHECK(status.message() == "the disk is full");
        CHECK(order == first_numbers(6));
        CHECK(done <= 5 + 4);
    }
}

TEST_CASE("what a thread throws becomes a failure") {
    for (const int threads : {1, 3}) {
        for (const bool in_take : {false, true}) {
            OrderedWork work{100, threads, 4, {}, {}};
            work.work = [&](int, std::size_t piece) {
                if (piece == 7 && !in_take) {
                    throw std::runtime_error("no memory");
                }
            };
            work.take = [&](std::size_t piece) {
                if (piece == 7 && in_take) {
                    throw std::runtime_error("no memory");
                }
                return Status();
            };
            const Status status = work_in_order(work);
            REQUIRE_FALSE(status.ok());
            CHECK(status.message() == "no memory; free some memory");
        }
    }
}
