// fuzz_run: tries models for the mutator, each in a process of its own with limits of time and
// memory.
//
//   fuzz_run --targets        prints the targets that this CPU runs, the best first
//   fuzz_run <jobs >results   a line of JSON for a job, and one for what came of it

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "job.h"
#include "kernels/cpu.h"
#include "kernels/registry.h"
#include "trial.h"

namespace {

using namespace sluice;
using namespace sluice::fuzz;
using Json = nlohmann::json;

/// Of the clock on the wall, for a trial that waits for nothing, where others want the cores too.
constexpr unsigned most_seconds = 600;
constexpr std::size_t blocks_in_all = 8;
constexpr std::size_t of_the_process = std::size_t{1} << 29;  ///< code, stacks, files

std::string text(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

int print_targets() {
    std::vector<Target> possible;
    std::copy_if(targets().begin(), targets().end(), std::back_inserter(possible),
                 [](const Target& t) { return cpu_has(t.requires_); });
    std::sort(possible.begin(), possible.end(),
              [](const Target& a, const Target& b) { return a.priority > b.priority; });
    for (const Target& target : possible) {
        std::cout << target.id << "\n";
    }
    return 0;
}

/// The child's part: never returns.
[[noreturn]] void run_child(const Job& job, Progress& progress) {
    const rlimit memory = {job.most_bytes * blocks_in_all + of_the_process,
                           job.most_bytes * blocks_in_all + of_the_process};
    ::setrlimit(RLIMIT_AS, &memory);
    const rlimit none = {0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::alarm(most_seconds);
    const std::string line = text(try_job(job, progress));
    std::size_t written = 0;
    while (written < line.size()) {
        const ssize_t count = ::write(STDOUT_FILENO, line.data() + written, line.size() - written);
        if (count <= 0) {
            break;
        }
        written += std::size_t(count);
    }
    ::_exit(0);
}

/// What a child that was killed has to say.
Json killed(int status, const Progress& progress) {
    const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    const char* const outcome = signal == SIGPROF   ? "slow"
                                : signal == SIGALRM ? "stuck"
                                                    : "crashed";
    const std::string what =
        signal != 0 ? ::strsignal(signal) : "exit code " + std::to_string(WEXITSTATUS(status));
    return {{"outcome", outcome}, {"message", what}, {"phase", progress.phase}};
}

int serve() {
    void* const shared = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        std::cerr << "fuzz_run: no memory to share with its children\n";
        return 2;
    }
    auto& progress = *new (shared) Progress{};
    for (std::string line; std::getline(std::cin, line);) {
        const Result<Job> job = read_job(line);
        if (!job.ok()) {
            std::cerr << "fuzz_run: " << job.status().message() << "\n";
            return 2;
        }
        progress = {};
        const pid_t child = ::fork();
        if (child < 0) {
            std::cerr << "fuzz_run: cannot start a process: " << std::strerror(errno) << "\n";
            return 2;
        }
        if (child == 0) {
            run_child(job.value(), progress);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            std::cout << text(killed(status, progress)) << std::flush;
        }
    }
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 2 && std::strcmp(arguments[1], "--targets") == 0) {
        return print_targets();
    }
    if (count != 1) {
        std::cerr << "fuzz_run: takes jobs from its standard input, or --targets\n";
        return 2;
    }
    return serve();
}
