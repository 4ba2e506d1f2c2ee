#include "common/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "common/text.h"

namespace sluice::apps {
namespace {

Status output_failure(int code) {
    return Status(Problem{"standard output",
                          {},
                          std::string("cannot be written: ") + std::strerror(code),
                          "send it to a file or terminal that can be written to"});
}

}  // namespace

Status check_standard_streams() {
    const bool output_is_open = ::fcntl(STDOUT_FILENO, F_GETFD) != -1;
    const int code = errno;
    // The lowest free number is given out: until it is none of the three, one of them is closed.
    int opened = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    while (opened >= 0 && opened <= STDERR_FILENO) {
        opened = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    }
    if (opened >= 0) {
        ::close(opened);
    }
    return output_is_open ? Status{} : output_failure(code);
}

Status print(std::string_view text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    return written && std::fflush(stdout) == 0 ? Status{} : output_failure(errno);
}

Status print_line(std::string_view line) { return print(std::string(line) + "\n"); }

void print_failure(const char* program, const Status& failure) {
    std::fprintf(stderr, "%s: %s\n", program, to_printable(failure.message()).c_str());
}

int exit_status(const char* program, const std::function<Result<int>()>& run,
                const std::function<int()>& failed) {
    try {
        const Result<int> code = run();
        if (code.ok()) {
            return code.value();
        }
        print_failure(program, code.status());
    } catch (const std::exception& exception) {
        // Not enough memory, in practice: nothing else here throws.
        print_failure(program, Status::error(exception.what(), "free some memory"));
    }
    return failed();
}

}  // namespace sluice::apps
