#include "benchmark/machine.h"

#include "benchmark/peak.h"
#include "common/cpus.h"

namespace sluice::benchmark {

Machine measure_machine(int cores, const Target& target) {
    Machine machine;
    machine.cpu = apps::cpu_name();
    machine.cores = cores;
    machine.target = target.id;
    machine.fma_peak_gflops = measure_fma_peak(target);
    machine.int8_peak_gops = measure_int8_peak(target);
    machine.cache_gbps = measure_read_gbps(std::size_t{1} << 18);
    machine.memory_gbps = measure_read_gbps(std::size_t{1} << 28);
    return machine;
}

}  // namespace sluice::benchmark
