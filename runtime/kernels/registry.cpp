#include "kernels/registry.h"

#include <algorithm>
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

namespace {

bool is_square(const std::int64_t (&extents)[2], std::int64_t side) {
    return extents[0] == side && extents[1] == side;
}

/// gated_conv.cpp, dot_conv.cpp and branch.cpp take any stride; their shape classes are the extents
/// of a patch row.
bool fits_direct(const Kernel& kernel, const ConvLayer& layer) {
    return (kernel.kernel_size == 0 || is_square(layer.kernel, kernel.kernel_size)) &&
           (kernel.pitch == 0 || kernel.pitch == layer.channel_stride);
}

/// winograd_conv.cpp: the window of the kernel's stride, whole tiles, and of a stride of 2 all
/// phases of the input, of which the later ones have a tap less.
bool fits_winograd(const Kernel& kernel, const ConvLayer& layer) {
    const std::int64_t stride = kernel.stride, taps = kernel.kernel_size;
    for (std::size_t axis = 0; axis < 2; ++axis) {
        if (layer.output[axis] < kernel.side ||
            stride * (layer.output[axis] + taps - 1) > layer.input[axis]) {
            return false;
        }
    }
    return is_square(layer.stride, stride) && is_square(layer.kernel, stride * (taps - 1) + 1) &&
           layer.channel_stride == kernel.pitch &&
           (layer.has_tail || layer.channel_stride % kernel.lanes == 0);
}

/// sparse_conv.cpp and kernel_map.cpp: windows of 3x3 on each input, and maps with two ends.
bool fits_sparse(const Kernel& kernel, const ConvLayer& layer) {
    return fits_direct(kernel, layer) && is_square(layer.kernel, 3) && is_square(layer.stride, 1) &&
           std::all_of(layer.pads, layer.pads + 4, [](std::int64_t pad) { return pad == 1; }) &&
           layer.output[0] >= 2 && layer.output[1] >= 2;
}

}  // namespace

bool fits(const Kernel& kernel, const ConvLayer& layer) {
    const bool has_blocks = layer.outputs % kernel.block() == 0;
    const bool has_vectors = layer.channel_stride % kernel.lanes == 0;
    switch (kernel.family) {
        case Family::dense_conv:
        case Family::gated_conv:
        case Family::element_conv:
            return has_blocks && fits_direct(kernel, layer);
        case Family::dot_conv:
            return has_blocks && has_vectors && fits_direct(kernel, layer);
        case Family::branch:  // one output
            return has_vectors && fits_direct(kernel, layer);
        case Family::dense_winograd:
        case Family::gated_winograd:
        case Family::element_winograd:
            return has_blocks && fits_winograd(kernel, layer);
        case Family::sparse_conv:
            return has_blocks && fits_sparse(kernel, layer);
        default:
            return false;
    }
}

const Kernel* find_conv(Family family, const Target& target, const ConvLayer& layer) {
    const Kernel* best = nullptr;
    for (const Kernel& kernel : kernels()) {
        const bool serves = kernel.family == family &&
                            std::strcmp(kernel.target, target.float32) == 0 && fits(kernel, layer);
        if (serves && (!best || kernel.pitch > best->pitch)) {
            best = &kernel;
        }
    }
    return best;
}

}  // namespace sluice
