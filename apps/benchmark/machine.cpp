#include "benchmark/machine.h"

#include <sched.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "benchmark/peak.h"

namespace sluice::benchmark {

std::string cpu_name() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
        const std::size_t colon = line.find(": ");
        if (line.starts_with("model name") && colon != std::string::npos) {
            return line.substr(colon + 2);
        }
    }
#if defined(__aarch64__)
    return "AArch64";
#else
    return "unknown";
#endif
}

int count_cores() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    return ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
}

Machine measure_machine(int cores) {
    Machine machine;
    machine.cpu = cpu_name();
    machine.cores = cores;
    machine.fma_peak_gflops = measure_fma_peak();
    machine.cache_gbps = measure_read_gbps(std::size_t{1} << 18);
    machine.memory_gbps = measure_read_gbps(std::size_t{1} << 28);
    return machine;
}

Status pin_to_first_cpus(int count) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    cpu_set_t chosen;
    CPU_ZERO(&chosen);
    bool done = ::sched_getaffinity(0, sizeof allowed, &allowed) == 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&chosen) < count; ++cpu) {
        if (CPU_ISSET(cpu, &allowed)) {
            CPU_SET(cpu, &chosen);
        }
    }
    done = done && ::sched_setaffinity(0, sizeof chosen, &chosen) == 0;
    return done ? Status{}
                : Status::error(std::string("cannot stay on chosen CPUs: ") + std::strerror(errno),
                                "give --no-pin");
}

}  // namespace sluice::benchmark
