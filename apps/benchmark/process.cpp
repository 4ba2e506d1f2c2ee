#include "benchmark/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

namespace sluice::benchmark {
namespace {

constexpr int cannot_execute = 127;

Status system_failure(const char* what) {
    return Status::error(std::string(what) + ": " + std::strerror(errno),
                         "close other programs and try again");
}

// Between fork and exec: nothing here allocates.
[[noreturn]] void become(char* const* arguments, int input, int output) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::signal(SIGPIPE, SIG_DFL);
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(input, STDIN_FILENO);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
    ::execvp(arguments[0], arguments);
    ::_exit(cannot_execute);
}

double status_mb(int pid, const std::string& key) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(key + ":")) {
            return std::stod(line.substr(key.size() + 1)) * 1024 / 1e6;
        }
    }
    return 0;
}

}  // namespace

std::filesystem::path own_file() {
    std::error_code code;
    return std::filesystem::read_symlink("/proc/self/exe", code);
}

Result<Process> Process::start(const std::vector<std::string>& command) {
    int to_child[2], from_child[2];
    if (::pipe2(to_child, O_CLOEXEC) != 0) {
        return system_failure("no pipe can be made");
    }
    if (::pipe2(from_child, O_CLOEXEC) != 0) {
        const Status failure = system_failure("no pipe can be made");
        ::close(to_child[0]);
        ::close(to_child[1]);
        return failure;
    }
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (const std::string& argument : command) {
        arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    // A child that is gone must give an error at the write, not end this process.
    ::signal(SIGPIPE, SIG_IGN);
    // Text not yet written is the parent's alone; the thread sanitizer's _exit would write it.
    std::fflush(nullptr);
    const int pid = ::fork();
    if (pid == 0) {
        become(arguments.data(), to_child[0], from_child[1]);
    }
    const Status failure = pid < 0 ? system_failure("no process can be started") : Status{};
    ::close(to_child[0]);
    ::close(from_child[1]);
    if (pid < 0) {
        ::close(to_child[1]);
        ::close(from_child[0]);
        return failure;
    }
    return Process(pid, to_child[1], from_child[0]);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      input_(std::exchange(other.input_, -1)),
      output_(std::exchange(other.output_, -1)),
      pending_(std::move(other.pending_)) {}

Process::~Process() {
    if (input_ >= 0) {
        ::close(input_);
        ::close(output_);
    }
    if (pid_ >= 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
}

Status Process::write_line(const std::string& line) {
    const std::string text = line + "\n";
    for (std::size_t written = 0; written < text.size();) {
        const ssize_t count = ::write(input_, text.data() + written, text.size() - written);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return describe_end();
        }
        written += static_cast<std::size_t>(count);
    }
    return {};
}

Result<std::string> Process::read_line(std::chrono::seconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    std::size_t newline = pending_.find('\n');
    while (newline == std::string::npos) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        pollfd wait{output_, POLLIN, 0};
        const int ready = left.count() > 0 ? ::poll(&wait, 1, static_cast<int>(left.count())) : 0;
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0) {
            return Status::error("did not answer within " + std::to_string(limit.count()) + " s");
        }
        char block[1 << 16];
        const ssize_t count = ::read(output_, block, sizeof block);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return describe_end();
        }
        pending_.append(block, static_cast<std::size_t>(count));
        newline = pending_.find('\n');
    }
    std::string line = pending_.substr(0, newline);
    pending_.erase(0, newline + 1);
    return line;
}

Status Process::describe_end() {
    int status = 0;
    ::kill(pid_, SIGTERM);  // where it only closed its output
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    if (WIFSIGNALED(status)) {
        return Status::error(std::string("its process was ended by signal ") +
                             ::strsignal(WTERMSIG(status)));
    }
    if (WEXITSTATUS(status) == cannot_execute) {
        return Status::error("its program cannot be executed");
    }
    return Status::error("its process ended with status " + std::to_string(WEXITSTATUS(status)));
}

double Process::peak_rss_mb() const { return status_mb(pid_, "VmHWM"); }
double Process::rss_mb() const { return status_mb(pid_, "VmRSS"); }

}  // namespace sluice::benchmark
