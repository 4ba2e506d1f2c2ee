#include "kernels/registry.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <tuple>
#include <type_traits>

#include "graph/aligned.h"
#include "kernels/cpu.h"
#include "kernels/kernel_table.h"

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
    for (const Target& target : targets()) {
        // Of a target that is not wanted nothing is asked, which for AMX has consequences.
        const bool candidate = wanted.empty() || wanted == target.id;
        if (candidate && (!best || target.priority > best->priority) && cpu_has(target.requires_)) {
            best = &target;
        }
    }
    if (!best) {
        std::string possible;
        for (const Target& target : targets()) {
            if (cpu_has(target.requires_)) {
                possible += (possible.empty() ? "" : ", ") + std::string(target.id);
            }
        }
        return Status::error(wanted.empty() ? "this CPU runs no target of this build"
                                            : "target '" + wanted + "' is not possible on this CPU",
                             "choose one of: " + possible);
    }
    return best;
}

int Kernel::block() const {
    const auto count_vectors = [](const auto& of) {
        if constexpr (requires { of.vectors; }) {
            return of.vectors;
        } else {
            return 1;
        }
    };
    return lanes * std::visit(count_vectors, info);
}

namespace {

/// From the target to the one that the kernel is compiled for, over its bases: 0 for its own; none
/// where it is not for the target.
std::optional<int> distance(const Kernel& kernel, const Target& target) {
    int steps = 0;
    for (const Target* at = &target; at != nullptr; at = base_of(*at), ++steps) {
        if (std::strcmp(kernel.target, at->id) == 0) {
            return steps;
        }
    }
    return std::nullopt;
}

bool is_generic(const Kernel& kernel, Algorithm algorithm, const Target& target) {
    return kernel.algorithm == algorithm && is_for(kernel, target) &&
           std::strcmp(kernel.shape_class, "any") == 0;
}

}  // namespace

bool is_for(const Kernel& kernel, const Target& target) {
    return distance(kernel, target).has_value();
}

const Target* base_of(const Target& target) {
    const auto all = targets();
    const auto found = std::find_if(all.begin(), all.end(), [&target](const Target& other) {
        return std::strcmp(other.id, target.base) == 0;
    });
    return found == all.end() ? nullptr : &*found;
}

const Kernel* find_kernel(std::span<const Kernel> from, Algorithm algorithm, const Target& target) {
    const Kernel* best = nullptr;
    for (const Kernel& kernel : from) {
        if (is_generic(kernel, algorithm, target) &&
            (!best || distance(kernel, target) < distance(*best, target))) {
            best = &kernel;
        }
    }
    return best;
}

namespace {

/// The target's generic kernel of an algorithm whose info names an operation.
template <typename Info, typename Operation>
const Kernel* find_operation(Algorithm algorithm, Operation operation, const Target& target) {
    for (const Kernel& kernel : kernels()) {
        if (is_generic(kernel, algorithm, target) && kernel.as<Info>().operation == operation) {
            return &kernel;
        }
    }
    return nullptr;
}

}  // namespace

const Kernel* find_kernel(BinaryOperation operation, const Target& target) {
    return find_operation<BinaryInfo>(Algorithm::binary, operation, target);
}

const Kernel* find_kernel(ActivationKind kind, const Target& target) {
    return find_operation<ActivationInfo>(Algorithm::activation, kind, target);
}

const Kernel* find_kernel(ReduceOperation operation, Algorithm algorithm, const Target& target) {
    return find_operation<ReduceInfo>(algorithm, operation, target);
}

namespace {

bool is_square(const std::int64_t (&extents)[2], std::int64_t side) {
    return extents[0] == side && extents[1] == side;
}

bool has_pads(const ConvLayer& layer, std::int64_t pad) {
    return std::all_of(layer.pads, layer.pads + 4, [&](std::int64_t p) { return p == pad; });
}

/// Whether every output reads a whole patch of neighbours.
bool is_plain(const ConvLayer& layer) { return layer.groups == 1 && is_square(layer.dilation, 1); }

/// The extents of a patch row: shape classes of any stride.
bool fits_window(int kernel, int channels, const ConvLayer& layer) {
    return (kernel == 0 || is_square(layer.kernel, kernel)) &&
           (channels == 0 || channels == layer.channel_stride);
}

/// Whole vectors of channels, which the last pixel of an input may end with where their number is
/// the kernel's own.
bool fits_channels(const WinogradInfo& info, bool has_vectors, const ConvLayer& layer) {
    if (info.channels == 0) {
        return has_vectors && layer.channel_stride >= info.least_channels &&
               layer.channel_stride <= info.most_channels;
    }
    return layer.channel_stride == info.channels && (has_vectors || layer.has_tail);
}

/// The window of the kernel's stride, whole tiles, and of a stride of 2 all phases of the input, of
/// which the later ones have a tap less.
bool fits_tiles(const WinogradInfo& info, bool has_vectors, const ConvLayer& layer) {
    const std::int64_t stride = info.stride, taps = info.taps;
    for (std::size_t axis = 0; axis < 2; ++axis) {
        if (layer.output[axis] < info.side ||
            stride * (layer.output[axis] + taps - 1) > layer.input[axis]) {
            return false;
        }
    }
    return is_square(layer.stride, stride) && is_square(layer.kernel, stride * (taps - 1) + 1) &&
           fits_channels(info, has_vectors, layer);
}

/// Patches that there is memory for, their rows copied by the depth, and enough of them. What is
/// read beyond the input's end, less than a depth, the arena has.
bool fits_matrices(const Int8Info& info, const ConvLayer& layer) {
    const std::int64_t row = round_up(layer.kernel[1] * layer.channel_stride, info.group());
    const std::int64_t before_last = (layer.kernel[0] - 1) * row;
    const std::int64_t entries = layer.output[0] * layer.output[1];
    return info.least_bytes <= before_last + row &&
           before_last + round_up(row, info.depth) <= info.most_bytes &&
           info.depth <= std::int64_t(memory_alignment) &&
           double(entries) > info.break_even * double(round_up(entries, info.pixels));
}

/// Each channel by itself, in the kernel's window, which is known without dilation alone.
template <typename Info>
bool fits_depthwise(const Info& info, const ConvLayer& layer) {
    const bool fits_any = info.kernel == 0 || is_square(layer.dilation, 1);
    return layer.is_depthwise && fits_any && fits_window(info.kernel, 0, layer) &&
           (info.stride == 0 || is_square(layer.stride, info.stride));
}

}  // namespace

bool fits(const Kernel& kernel, const ConvLayer& layer) {
    const bool has_blocks = layer.outputs % kernel.block() == 0;
    const bool has_vectors = layer.channel_stride % kernel.lanes == 0;
    const auto* direct = std::get_if<DirectInfo>(&kernel.info);
    const bool takes_runs = direct != nullptr && direct->channels == 0;
    const bool is_depthwise = std::holds_alternative<DepthwiseInfo>(kernel.info) ||
                              std::holds_alternative<Int8DepthwiseInfo>(kernel.info);
    if (!is_plain(layer) && !takes_runs && !is_depthwise) {
        return false;
    }
    struct Fits {
        bool has_blocks, has_vectors;
        int block;
        const ConvLayer& layer;

        // A block that spans groups multiplies the inputs of all of them: the narrowest spans
        // least.
        bool operator()(const DirectInfo& info) const {
            const bool is_narrow = layer.groups == 1 || info.vectors == 1;
            return has_blocks && fits_window(info.kernel, info.channels, layer) &&
                   (is_narrow || layer.outputs % (layer.groups * block) == 0);
        }
        bool operator()(const DepthwiseInfo& info) const {
            return has_blocks && has_vectors && fits_depthwise(info, layer);
        }
        bool operator()(const Int8DepthwiseInfo& info) const {
            return has_blocks && has_vectors && fits_depthwise(info, layer);
        }
        bool operator()(const WinogradInfo& info) const {
            return has_blocks && fits_tiles(info, has_vectors, layer);
        }
        bool operator()(const DotInfo& info) const {
            return has_blocks && has_vectors && fits_window(info.kernel, info.channels, layer);
        }
        // And kernel_map.cpp: windows of 3x3 on each input, and maps with two ends.
        bool operator()(const PairsInfo& info) const {
            return has_blocks && fits_window(info.kernel, info.channels, layer) &&
                   is_square(layer.kernel, 3) && is_square(layer.stride, 1) && has_pads(layer, 1) &&
                   layer.output[0] >= 2 && layer.output[1] >= 2;
        }
        bool operator()(const BranchInfo& info) const {  // one output
            return has_vectors && fits_window(info.kernel, info.channels, layer);
        }
        bool operator()(const Int8Info& info) const {
            return has_blocks && fits_window(info.kernel, info.channels, layer) &&
                   (info.depth == 0 || fits_matrices(info, layer));
        }
        bool operator()(const Int8BranchInfo& info) const {  // one output
            return has_vectors && fits_window(info.kernel, info.channels, layer) &&
                   (info.channels == 0 ||
                    (is_square(layer.stride, 1) && layer.output[1] >= info.tile));
        }
        bool operator()(const BinaryInfo&) const { return false; }
        bool operator()(const ActivationInfo&) const { return false; }
        bool operator()(const ReduceInfo&) const { return false; }
        bool operator()(std::monostate) const { return false; }
    };
    return std::visit(Fits{has_blocks, has_vectors, kernel.block(), layer}, kernel.info);
}

namespace {

/// 0 where a kernel takes any number; of depthwise kernels, which all do, the window and the
/// stride.
int channels_of(const Kernel& kernel) {
    const auto channels = [](const auto& of) {
        if constexpr (requires { of.channels; }) {
            return of.channels;
        } else if constexpr (std::is_same_v<decltype(of), const DepthwiseInfo&> ||
                             std::is_same_v<decltype(of), const Int8DepthwiseInfo&>) {
            return of.kernel + of.stride;
        } else {
            return 0;
        }
    };
    return std::visit(channels, kernel.info);
}

bool is_more_special(const Kernel& a, const Kernel& b, const Target& target) {
    const auto rank = [&target](const Kernel& kernel) {
        return std::tuple(-distance(kernel, target).value(), channels_of(kernel), kernel.block());
    };
    return rank(a) > rank(b);
}

}  // namespace

const Kernel* find_conv(std::span<const Kernel> from, Algorithm algorithm, GateForm gate,
                        const Target& target, const ConvLayer& layer) {
    const GateForm form = gate == GateForm::group ? GateForm::position : gate;
    const Kernel* best = nullptr;
    for (const Kernel& kernel : from) {
        const bool serves = kernel.algorithm == algorithm && kernel.gate == form &&
                            is_for(kernel, target) && fits(kernel, layer);
        if (serves && (!best || is_more_special(kernel, *best, target))) {
            best = &kernel;
        }
    }
    return best;
}

}  // namespace sluice
