#pragma once

#include <cassert>
#include <variant>

#include "graph/graph.h"

namespace sluice {

/// What a kernel computes: a row of generators/kernels.json, which names the generator.
enum class Algorithm {
    gated_conv,
    depthwise_conv,
    winograd_conv,
    dot_conv,
    sparse_conv,
    branch,
    positions,
    tiles,
    pair_count,
    kernel_map,
    select_way,
    open_count,
    elements,
    fill,
    max_pool,
    average_pool,
    global_average_pool,
    linear,
    mat_mul,
    softmax,
    reduce,
    reduce_along,
    binary,
    activation,
    affine,
    copy,
    resize,
    cubic_resize,
    quantize,
    dequantize,
    int8_max_pool,
    int8_average_pool,
    int8_global_average_pool,
    int8_add,
    int8_affine,
    int8_resize,
    int8_copy,
    int8_conv,
    int8_staged_conv,
    int8_float_conv,
    int8_depthwise,
    int8_staged_depthwise,
    int8_float_depthwise,
    int8_branch,
    int8_fill,
};
inline constexpr int algorithm_count = int(Algorithm::int8_fill) + 1;

/// Of gated_conv.cpp. An entry of its list is a position.
struct DirectInfo {
    int kernel;    ///< extent of the window along both axes; 0: any
    int channels;  ///< channel stride of the input; 0: any
    int pixels;    ///< entries of the list that are computed together
    int vectors;   ///< of output channels that are computed together
};

/// Of depthwise_conv.cpp. An entry of its list is a position.
struct DepthwiseInfo {
    int kernel;   ///< extent of the window along both axes, without dilation; 0: any
    int stride;   ///< along both axes; 0: any
    int pixels;   ///< entries of the list that are computed together
    int vectors;  ///< of channels that are computed together
};

/// Of winograd_conv.cpp. An entry of its list is a tile of side * side outputs.
struct WinogradInfo {
    int taps;      ///< of a phase along an extent
    int stride;    ///< of the layer, whose input has stride * stride phases
    int channels;  ///< channel stride of the input; 0: any
    /// Where it is any, those that the kernel is for, the most of which it has memory for.
    int least_channels, most_channels;
    int side;     ///< of a tile
    int pixels;   ///< entries of the list that are computed together
    int vectors;  ///< of output channels that are computed together
    /// Share of a tile's outputs that are open beyond which it takes less time than the direct
    /// kernel; 1: none.
    double break_even;
};

/// Of dot_conv.cpp. An entry of its list is an element of the output.
struct DotInfo {
    int kernel;         ///< extent of the window along both axes; 0: any
    int channels;       ///< channel stride of the input; 0: any
    int elements;       ///< entries of the list that are computed together
    double break_even;  ///< density beyond which the dense kernel takes less time
};

/// Of sparse_conv.cpp. An entry of its lists is a pair of an input and an output.
struct PairsInfo {
    int kernel;    ///< extent of the window along both axes
    int channels;  ///< channel stride of the input
    int pixels;    ///< entries of a list that are computed together
    int vectors;   ///< of output channels that are computed together
    /// Share of the taps of open outputs that are pairs beyond which the direct kernel takes less
    /// time.
    double break_even;
};

/// Of branch.cpp.
struct BranchInfo {
    int kernel;    ///< extent of the window along both axes; 0: any
    int channels;  ///< channel stride of the input; 0: any
};

/// Of int8_conv.cpp. An entry of its list is a position.
struct Int8Info {
    int kernel;    ///< extent of the window along both axes; 0: any
    int channels;  ///< channel stride of the input, in bytes; 0: any
    int pixels;    ///< entries of the list that are computed together
    int vectors;   ///< of output channels that are computed together
    int dot;       ///< bytes of a patch row that an instruction multiplies and sums for a lane
    int offset;    ///< subtracted from each input: the bias takes it into account
    int sum_bits;  ///< 16: an instruction sums two products in so many; 0: in 32
    /// Of products of matrices: bytes of a patch that one multiplies, to a multiple of which each
    /// vector's weights are padded; 0: there are none.
    int depth;
    /// Of a patch: where it is any, those that the matrices pay for, and have memory for.
    int least_bytes, most_bytes;
    /// Share of the entries of its tiles that a layer has beyond which matrices take less time.
    double break_even;

    /// Whether it reads patches by a list of steps.
    bool has_steps() const { return sum_bits == 16 && depth == 0; }
    /// Bytes of a patch row whose weights lie side by side.
    int group() const { return has_steps() ? 2 * dot : dot; }
};

/// Of int8_depthwise.cpp.
struct Int8DepthwiseInfo {
    int kernel;   ///< extent of the window along both axes, without dilation; 0: any
    int stride;   ///< along both axes; 0: any
    int pixels;   ///< outputs of a row that are computed together
    int vectors;  ///< of channels that are computed together
    int dot;      ///< rows of the input whose weights lie side by side
    int offset;   ///< as Int8Info's
};

/// Of int8_branch.cpp.
struct Int8BranchInfo {
    int kernel;    ///< extent of the window along both axes; 0: any
    int channels;  ///< channel stride of the input, in bytes, with stride 1; 0: any
    int bytes;     ///< of a patch row that are read at once: those of the weights are as long
    int tile;  ///< outputs of a row that are computed together: known channels take no narrower map
    int offset;  ///< as Int8Info's
};

enum class BinaryOperation { add, sub, mul, div, max, min, pow, prelu };

/// Of binary.cpp.
struct BinaryInfo {
    BinaryOperation operation;
};

/// Of activation.cpp.
struct ActivationInfo {
    ActivationKind operation;
};

enum class ReduceOperation { sum, max, min };

/// Of reduce.cpp.
struct ReduceInfo {
    ReduceOperation operation;
};

/// A generated kernel: one pointer an argument, in the generator's order, inputs before outputs; to
/// the halide_buffer_t of a buffer and to the value of a scalar. Returns 0.
using KernelFunction = int (*)(void** arguments);

/// One compiled object: algorithm x gate form x element type x shape class x target.
struct Kernel {
    const char* name;  ///< as cmake/SluiceKernelTable.cmake puts it together
    Algorithm algorithm;
    const char* algorithm_name;
    GateForm gate;     ///< none, position (groups too, a call each) or element
    ElementType type;  ///< of the tensors that it reads and writes
    const char* shape_class;
    const char* target;
    int lanes;
    KernelFunction function;
    std::variant<std::monostate, DirectInfo, DepthwiseInfo, WinogradInfo, DotInfo, PairsInfo,
                 BranchInfo, BinaryInfo, ActivationInfo, ReduceInfo, Int8Info, Int8DepthwiseInfo,
                 Int8BranchInfo>
        info;  ///< of the algorithm

    /// The info of this kernel's algorithm, and of no other.
    template <typename Info>
    const Info& as() const {
        const Info* found = std::get_if<Info>(&info);
        assert(found != nullptr);
        return *found;
    }
    /// Output channels of a call are a multiple of it.
    int block() const;
};

}  // namespace sluice
