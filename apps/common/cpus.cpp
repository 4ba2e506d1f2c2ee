#include "common/cpus.h"

#include <sched.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace sluice::apps {

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

void pin_to_last_cpu() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        return;
    }
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; --cpu) {
        if (CPU_ISSET(cpu, &allowed)) {
            CPU_ZERO(&allowed);
            CPU_SET(cpu, &allowed);
            ::sched_setaffinity(0, sizeof allowed, &allowed);
            return;
        }
    }
}

}  // namespace sluice::apps
