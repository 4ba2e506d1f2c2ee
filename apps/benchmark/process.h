#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "sluice/status.h"

namespace sluice::benchmark {

/// The file of the program that runs, without links; empty where the system does not say.
std::filesystem::path own_file();

/// A child that answers lines with lines, over its standard input and output. Its standard error
/// goes nowhere. It ends with this object, and with this process.
class Process {
public:
    /// Fails only where the system starts no process: a command that cannot be executed is one
    /// that ended before it answered.
    static Result<Process> start(const std::vector<std::string>& command);
    Process(Process&& other) noexcept;
    Process& operator=(Process&&) = delete;
    ~Process();

    Status write_line(const std::string& line);
    /// Without its end. Fails where the child ended, saying how, or says nothing for `limit`.
    Result<std::string> read_line(std::chrono::seconds limit);

    /// The most memory that the child has had resident, and what it has now, in MB (10^6 bytes); 0
    /// where the system does not say.
    double peak_rss_mb() const;
    double rss_mb() const;

private:
    Process(int pid, int input, int output) : pid_(pid), input_(input), output_(output) {}
    Status describe_end();
    int pid_ = -1;
    int input_ = -1;   ///< the child's standard input
    int output_ = -1;  ///< and output
    std::string pending_;
};

}  // namespace sluice::benchmark
