#include "autotune/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include "common/interrupt.h"

namespace sluice::autotune {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void work_and_leave(const std::function<std::string()>& work, int pipe) {
    apps::ignore_interrupts();
    // What a candidate or the linker prints is no part of this program's lines.
    if (const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC); nowhere >= 0) {
        ::dup2(nowhere, STDOUT_FILENO);
        ::dup2(nowhere, STDERR_FILENO);
    }
    const std::string answer = work();
    std::size_t written = 0;
    while (written < answer.size()) {
        const ssize_t count = ::write(pipe, answer.data() + written, answer.size() - written);
        if (count <= 0) {
            ::_exit(1);
        }
        written += static_cast<std::size_t>(count);
    }
    // No destructors: they belong to the parent's copy.
    ::_exit(0);
}

}  // namespace

Result<Child> Child::start(const std::function<std::string()>& work) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return Status::error(std::string("cannot make a pipe: ") + std::strerror(errno),
                             "close other programs");
    }
    const pid_t process = ::fork();
    if (process < 0) {
        const int fault = errno;
        ::close(ends[0]);
        ::close(ends[1]);
        return Status::error(std::string("cannot fork: ") + std::strerror(fault),
                             "close other programs");
    }
    if (process == 0) {
        work_and_leave(work, ends[1]);
    }
    ::close(ends[1]);
    return Child(process, ends[0]);
}

Child::Child(Child&& other) noexcept
    : process_(std::exchange(other.process_, -1)), pipe_(std::exchange(other.pipe_, -1)) {}

Child::~Child() {
    if (process_ > 0) {
        end(true);
    }
}

/// The status of waitpid.
int Child::end(bool by_force) {
    if (by_force) {
        ::kill(process_, SIGKILL);
    }
    ::close(pipe_);
    int code = 0;
    while (::waitpid(process_, &code, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
    return code;
}

Result<std::string> Child::wait(double seconds) {
    const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
    std::string answer;
    char part[4096];
    for (;;) {
        const double left = std::chrono::duration<double>(deadline - Clock::now()).count();
        if (apps::interrupted() || left <= 0) {
            end(true);
            return apps::interrupted() ? Status::error("interrupted", "run it again to go on")
                                       : Status::error("did not end in time", "give it more time");
        }
        pollfd readable = {pipe_, POLLIN, 0};
        // In steps, because an interrupt that comes just before poll does not end it.
        if (::poll(&readable, 1, std::min(200, static_cast<int>(left * 1000) + 1)) <= 0) {
            continue;
        }
        const ssize_t count = ::read(pipe_, part, sizeof part);
        if (count <= 0) {
            break;
        }
        answer.append(part, static_cast<std::size_t>(count));
    }
    const int code = end(false);
    if (WIFSIGNALED(code)) {
        return Status::error(std::string("crashed: ") + ::strsignal(WTERMSIG(code)), "look at it");
    }
    if (WEXITSTATUS(code) != 0) {
        return Status::error("ended with code " + std::to_string(WEXITSTATUS(code)), "look at it");
    }
    return answer;
}

}  // namespace sluice::autotune
