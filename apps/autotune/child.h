#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "sluice/status.h"

namespace sluice::autotune {

/// A forked copy of this process that does one piece of work, so that a crash in it is an answer
/// and no end. It must be forked while this process has one thread.
class Child {
public:
    /// Runs `work` in the child; what it returns is the child's answer. `work` may replace the
    /// process by another program, whose exit code then speaks for it.
    static Result<Child> start(const std::function<std::string()>& work);
    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;
    /// Kills a child that was not waited for.
    ~Child();

    /// The answer; fails where the child ended by a signal or another code than 0, did not end in
    /// `seconds`, or where this program is interrupted. The child has ended in any case.
    Result<std::string> wait(double seconds);

private:
    Child(pid_t process, int pipe) : process_(process), pipe_(pipe) {}
    int end(bool by_force);

    pid_t process_;
    int pipe_;
};

}  // namespace sluice::autotune
