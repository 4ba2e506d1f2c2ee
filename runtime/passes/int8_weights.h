#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace sluice {

/// The weights of a layer as it runs.
struct LayerWeights {
    std::shared_ptr<const Constant> constant;  ///< int8, or float where `scale` is empty
    std::vector<float> scale;                  ///< of each output
    std::string remark;                        ///< why the layer runs in float; empty where int8
};

/// Of a layer whose weights `dequantize` gives, with a bias of each output, and whose input is
/// rounded to numbers of one quantisation or not. `outputs` is the axis of the weights that counts
/// the layer's outputs. In int8, 255 times the weights of an output stay below 2^29 in sum, and its
/// bias in units of the two scales below 2^30: so that an int32 holds what a kernel adds up, also
/// where it adds what zero points make of the weights.
Result<LayerWeights> int8_weights(const Graph& graph, const Node& dequantize,
                                  const std::optional<Quantization>& input,
                                  std::span<const float> bias, std::size_t outputs);

/// Of such a layer in floats, because of `why`.
Result<LayerWeights> float_weights(const Graph& graph, const Node& dequantize,
                                   const std::string& why);

/// Whether a bias is small enough for that, and rounding it to those units loses little of it.
bool fits_int32(std::span<const float> bias, float input_scale, std::span<const float> scale);

}  // namespace sluice
