#include "passes/quantise_constant.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/quantization.h"

namespace sluice {
namespace {

/// Calls visit(i, s) for each element i of a tensor, with s the place of its scale.
template <typename Visit>
void for_each_element(const ScalesAndZeros& numbers, const Shape& shape, Visit visit) {
    std::size_t inner = 1;
    for (std::size_t axis = numbers.axis.value_or(shape.size()) + 1; axis < shape.size(); ++axis) {
        inner *= std::size_t(shape[axis]);
    }
    const auto count = std::size_t(element_count(shape));
    const std::size_t scales = numbers.scales.size();
    for (std::size_t i = 0; i < count; ++i) {
        visit(i, scales == 1 ? 0 : i / inner % scales);
    }
}

template <typename Byte>
std::vector<Byte> quantized(const Constant& x, const ScalesAndZeros& numbers) {
    using Limits = std::numeric_limits<Byte>;
    std::vector<Byte> result(x.floats().size());
    for_each_element(numbers, x.shape, [&](std::size_t i, std::size_t s) {
        const float rounded = std::nearbyint(x.floats()[i] / numbers.scales[s]);
        const float number = rounded + float(numbers.zero_points[s]);
        // NaN becomes the lowest number, as everywhere.
        result[i] = Byte(number >= float(Limits::max())  ? Limits::max()
                         : number > float(Limits::min()) ? int(number)
                                                         : Limits::min());
    });
    return result;
}

}  // namespace

Result<Constant> dequantize_constant(const Graph& graph, const Node& node) {
    auto numbers = scales_and_zeros(graph, node);
    if (!numbers.ok()) {
        return numbers.status();
    }
    const Constant& x = *graph.constant(node.inputs[0]);
    AlignedMemory memory = memory_of(std::size_t(element_count(x.shape)) * sizeof(float));
    float* const values = reinterpret_cast<float*>(memory.data());
    std::visit(
        [&](const auto& data) {
            for_each_element(numbers.value(), x.shape, [&](std::size_t i, std::size_t s) {
                const double number = double(data[i]) - numbers->zero_points[s];
                values[i] = float(number * double(numbers->scales[s]));
            });
        },
        x.data);
    return Constant{x.shape, Floats(std::move(memory))};
}

Result<Constant> quantize_constant(const Graph& graph, const Node& node) {
    auto numbers = scales_and_zeros(graph, node);
    if (!numbers.ok()) {
        return numbers.status();
    }
    const Constant& x = *graph.constant(node.inputs[0]);
    if (numbers->type == ElementType::int8) {
        return Constant{x.shape, quantized<std::int8_t>(x, numbers.value())};
    }
    return Constant{x.shape, quantized<std::uint8_t>(x, numbers.value())};
}

}  // namespace sluice
