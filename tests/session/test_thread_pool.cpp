#include <catch2/catch.hpp>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <fstream>
#include <thread>

#include "session/cases.h"
#include "session/thread_pool.h"

namespace {

using namespace sluice;
using namespace sluice::session_test;

/// Of all threads of this process.
double cpu_seconds() {
    std::timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool has_sanitizer = true;  // takes terabytes of addresses
#else
constexpr bool has_sanitizer = false;
#endif

/// Runs `check` in a child that may use `more` bytes of addresses beyond what it has. Returns
/// whether it held; nothing where addresses cannot be limited here (an emulator ignores the limit).
std::optional<bool> holds_with_little_memory(std::size_t more, bool (*check)()) {
    constexpr int held = 10, failed = 11, not_limited = 12;
    const pid_t child = ::fork();
    if (child == 0) {
        std::size_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        const rlim_t bytes = rlim_t(pages) * rlim_t(::sysconf(_SC_PAGESIZE)) + rlim_t(more);
        const rlimit limit{bytes, bytes};
        const bool is_set = ::setrlimit(RLIMIT_AS, &limit) == 0;
        void* const probe = std::malloc(more + (std::size_t{64} << 20));
        const bool is_limited = is_set && probe == nullptr;
        std::free(probe);
        ::_exit(!is_limited ? not_limited : check() ? held : failed);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    INFO("status of the child: " << status);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) >= held);
    return WEXITSTATUS(status) == not_limited ? std::nullopt
                                              : std::optional(WEXITSTATUS(status) == held);
}

void check_with_little_memory(bool (*check)()) {
    const auto holds =
        has_sanitizer ? std::nullopt : holds_with_little_memory(std::size_t{100} << 20, check);
    if (!holds) {
        WARN("skipped: addresses cannot be limited here");
        return;
    }
    CHECK(*holds);
}

}  // namespace

TEST_CASE("each part of a task runs once, and all have run when run() returns") {
    for (const int threads : {1, 2, 3, 8}) {
        ThreadPool pool;
        REQUIRE(pool.start(threads).ok());
        CHECK(pool.threads() == threads);
        std::vector<int> runs;  // not atomic: each part is one thread's
        for (int round = 0; round < 2000; ++round) {
            const int parts = 1 + round % 9;
            runs.assign(std::size_t(parts), 0);
            pool.run(
                parts,
                [](void* context, int part) {
                    ++(*static_cast<std::vector<int>*>(context))[std::size_t(part)];
                },
                &runs);
            REQUIRE(runs == std::vector<int>(std::size_t(parts), 1));
        }
    }
}

TEST_CASE("threads that wait take no time of the processor") {
    ThreadPool pool;
    REQUIRE(pool.start(4).ok());
    static constexpr std::chrono::milliseconds pause{300};
    const double before = cpu_seconds();
    // Three threads have nothing to do, and whoever calls waits for the one that has.
    pool.run(
        4,
        [](void*, int part) {
            if (part == 3) {
                std::this_thread::sleep_for(pause);
            }
        },
        nullptr);
    std::this_thread::sleep_for(pause);
    CHECK(cpu_seconds() - before < 0.1);
}

TEST_CASE("a thread that cannot start is a failure that says so, and those that did end") {
    check_with_little_memory([] {
        ThreadPool pool;
        const Status status = pool.start(256);
        const std::string message = status.message();
        return !status.ok() && pool.threads() == 1 && message.find("cannot start thread ") == 0 &&
               message.find(" of 255: ") != std::string::npos &&
               message.find("choose fewer threads") != std::string::npos;
    });
}

TEST_CASE("a session whose threads cannot start names the model") {
    check_with_little_memory([] {
        const Result<Model> model = Model::load(demo_model());
        if (!model.ok()) {
            return false;
        }
        const Result<Session> session = Session::create(model.value(), {.threads = 256});
        // Fewer threads run: nothing of the failure stays.
        return !session.ok() &&
               session.status().message().find(demo_model().string() + ": cannot start") == 0 &&
               Session::create(model.value(), {.threads = 2}).ok();
    });
}
