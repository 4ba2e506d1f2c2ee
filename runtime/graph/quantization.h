#pragma once

#include <optional>
#include <vector>

#include "graph/graph.h"

namespace sluice {

/// Scales and zero points of an operator's operand as the file states them: one of each, or one for
/// each index of an axis.
struct ScalesAndZeros {
    std::vector<float> scales;
    std::vector<int> zero_points;           ///< as many as scales, in the numbers of `type`
    std::optional<std::size_t> axis;        ///< none where there is one scale for all
    ElementType type = ElementType::uint8;  ///< uint8 or int8; int64 of int32 numbers

    /// Of a tensor with one scale.
    Quantization quantization() const {
        return {scales[0], zero_points[0] + (type == ElementType::int8 ? 128 : 0)};
    }
    bool is_symmetric() const;
};

/// Where an operator has an operand's numbers: the inputs that hold them.
struct ScaleInputs {
    std::size_t scale, zero_point;
    std::int64_t axis = 1;  ///< of scales in a list
};

/// Of an operand of `shape` whose elements are of `type`. A scale has to be constant, finite and
/// positive; of bytes also normal and at most a 256th of the largest float, so that what it is
/// divided by and multiplied with stays finite. Fails at what int8 has no kernels for too: blocks
/// of scales, and zero points of another type than the operand.
Result<ScalesAndZeros> scales_and_zeros(const Graph& graph, const Node& node,
                                        const ScaleInputs& inputs, const Shape& shape,
                                        ElementType type);

/// Of a QuantizeLinear's output or a DequantizeLinear's input, whose shape is that of input 0.
Result<ScalesAndZeros> scales_and_zeros(const Graph& graph, const Node& node);

/// The type that a QuantizeLinear writes; none for one that Sluice does not read.
std::optional<ElementType> quantized_type(const Graph& graph, const Node& node);

}  // namespace sluice
