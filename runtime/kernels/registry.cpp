#include "kernels/registry.h"

#include <cstdlib>
#include <cstring>

#include "kernels/cpu.h"
#include "kernels/table.h"

namespace sluice {

std::span<const Kernel> kernels() { return {kernel_table, kernel_count}; }
std::span<const Target> targets() { return {target_table, target_count}; }

Result<const Target*> choose_target(const std::string& name) {
    std::string wanted = name;
    if (wanted.empty()) {
        if (const char* forced = std::getenv("SLUICE_TARGET")) {
            wanted = forced;
        }
    }
    const Target* best = nullptr;
    std::string possible;
    for (const Target& target : targets()) {
        if (!cpu_has(target.requires_)) {
            continue;
        }
        possible += (possible.empty() ? "" : ", ") + std::string(target.id);
        const bool candidate = wanted.empty() || wanted == target.id;
        if (candidate && (!best || target.priority > best->priority)) {
            best = &target;
        }
    }
    if (!best) {
        return Status::error(wanted.empty() ? "this CPU runs no target of this build"
                                            : "target '" + wanted + "' is not possible on this CPU",
                             "choose one of: " + possible);
    }
    return best;
}

const Kernel* find_kernel(Family family, const Target& target) {
    for (const Kernel& kernel : kernels()) {
        if (kernel.family == family && std::strcmp(kernel.target, target.float32) == 0 &&
            std::strcmp(kernel.shape_class, "any") == 0) {
            return &kernel;
        }
    }
    return nullptr;
}

const Kernel* find_conv(Family family, const Target& target, int kernel_size, int pitch,
                        int output_pitch) {
    const Kernel* best = nullptr;
    for (const Kernel& kernel : kernels()) {
        const bool serves =
            kernel.family == family && std::strcmp(kernel.target, target.float32) == 0 &&
            (kernel.kernel_size == 0 || kernel.kernel_size == kernel_size) &&
            (kernel.pitch == 0 || kernel.pitch == pitch) && output_pitch % kernel.block() == 0;
        if (serves && (!best || kernel.pitch > best->pitch)) {
            best = &kernel;
        }
    }
    return best;
}

}  // namespace sluice
