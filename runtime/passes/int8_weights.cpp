#include "passes/int8_weights.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "graph/quantization.h"
#include "passes/edit.h"
#include "passes/quantise_constant.h"

namespace sluice {
namespace {

constexpr std::int64_t product_limit = std::int64_t{1} << 29;
constexpr double bias_limit = 1 << 30;
// Of a layer's largest bias. One of int32 loses nothing; a float one half a unit, which is far less
// unless the scales are coarser than the biases.
constexpr double most_lost = 1.0 / 128;

/// Whether the products with inputs of 255 stay small in sum, for each output.
bool products_fit(const Constant& weights, std::size_t outputs) {
    std::int64_t inner = 1;
    for (std::size_t axis = outputs + 1; axis < weights.shape.size(); ++axis) {
        inner *= weights.shape[axis];
    }
    const std::int64_t count = weights.shape[outputs];
    const auto weights_each =
        std::int64_t(weights.int8s().size()) / std::max<std::int64_t>(count, 1);
    if (255 * 128 * weights_each < product_limit) {
        return true;
    }
    std::vector<std::int64_t> sums(std::size_t(count), 0);
    const std::int8_t* next = weights.int8s().data();
    const auto runs = std::int64_t(weights.int8s().size()) / std::max<std::int64_t>(inner, 1);
    for (std::int64_t run = 0; run < runs; ++run) {
        std::int64_t& sum = sums[std::size_t(run % count)];
        for (std::int64_t i = 0; i < inner; ++i) {
            sum += std::abs(*next++);
        }
    }
    return std::all_of(sums.begin(), sums.end(),
                       [](std::int64_t sum) { return 255 * sum < product_limit; });
}

/// Why a layer cannot run in int8, whatever its bias; empty where it can.
std::string obstacle(const ScalesAndZeros& numbers, const Constant& weights, bool input_is_rounded,
                     std::size_t outputs) {
    if (!input_is_rounded) {
        return "its input is not quantised";
    }
    if (numbers.type != ElementType::int8) {
        return "its weights are uint8";
    }
    if (!numbers.is_symmetric()) {
        return "its weights have zero points";
    }
    if (numbers.axis && *numbers.axis != outputs) {
        return "its scales are not those of its outputs";
    }
    return products_fit(weights, outputs) ? "" : "its sums may be too large for int32";
}

}  // namespace

bool fits_int32(std::span<const float> bias, float input_scale, std::span<const float> scale) {
    double largest = 0, lost = 0;
    for (std::size_t k = 0; k < bias.size(); ++k) {
        const double unit = double(input_scale) * scale[k], exact = bias[k];
        if (!(std::abs(exact) < unit * bias_limit)) {
            return false;
        }
        largest = std::max(largest, std::abs(exact));
        lost = std::max(lost, std::abs(exact - std::nearbyint(exact / unit) * unit));
    }
    return lost <= largest * most_lost;
}

Result<LayerWeights> int8_weights(const Graph& graph, const Node& dequantize,
                                  const std::optional<Quantization>& input,
                                  std::span<const float> bias, std::size_t outputs) {
    auto numbers = scales_and_zeros(graph, dequantize);
    if (!numbers.ok()) {
        return numbers.status();
    }
    const auto& bytes = graph.values[std::size_t(dequantize.inputs[0])].constant;
    std::string why = graph.drops_roundings
                          ? "int8 is left out"
                          : obstacle(numbers.value(), *bytes, input.has_value(), outputs);
    std::vector<float> scale = std::move(numbers->scales);
    scale.resize(bias.size(), scale[0]);
    if (why.empty() && !fits_int32(bias, input->scale, scale)) {
        why = "its bias is too large for int32, or lost in it";
    }
    if (why.empty()) {
        return LayerWeights{bytes, std::move(scale), ""};
    }
    return float_weights(graph, dequantize, why);
}

Result<LayerWeights> float_weights(const Graph& graph, const Node& dequantize,
                                   const std::string& why) {
    auto floats = dequantize_constant(graph, dequantize);
    if (!floats.ok()) {
        return floats.status();
    }
    return LayerWeights{
        std::make_shared<const Constant>(std::move(floats).value()), {}, "runs in float: " + why};
}

}  // namespace sluice
