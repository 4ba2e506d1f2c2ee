#include "plan/conv/int8_numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/clamps.h"

namespace sluice {
namespace {

constexpr int largest = 255;  // of the numbers of a quantised value

float ratio(double from, double to) { return float(from / to); }

InnerRounding inner_rounding(const Quantization& q, double next_unit) {
    const OutputRange range = output_range(q);
    return {range.low, range.high, ratio(q.scale, next_unit)};
}

}  // namespace

OutputRange output_range(const Quantization& output) {
    return {float(-output.zero_point), float(largest - output.zero_point)};
}

OutputRange output_range(const Quantization& output, const Clamp& clamp) {
    const OutputRange all = output_range(output);
    const auto nearest = [&](float bound) {  // half to even
        return std::clamp(std::nearbyint(bound / output.scale), all.low, all.high);
    };
    return {nearest(clamp.low), nearest(clamp.high)};
}

namespace {

/// Whether the activation may as well follow what comes after it: a gate is not negative, and so
/// commutes with a relu. Kernels are faster without a clamp there.
bool clamps_at_the_end(const FusedConv& conv, const Quantizations& of) {
    const bool is_last =
        !conv.after_act && !conv.after_gate && !of.residual && all_equal(conv.shift, 0);
    return is_last && (conv.gate == GateForm::none || conv.act.is_relu());
}

}  // namespace

Int8Numbers int8_numbers(const FusedConv& conv, const Quantizations& of) {
    const bool at_the_end = clamps_at_the_end(conv, of);
    const Clamp act = at_the_end ? Clamp{} : conv.act;
    const Clamp post = at_the_end ? compose(conv.act, conv.post) : conv.post;
    const auto& output = of.output ? of.output : conv.output_rounding;
    const double unit = output ? output->scale : 1;
    const double after_gate = conv.after_gate ? conv.after_gate->scale : unit;
    const double after_act = conv.after_act ? conv.after_act->scale : after_gate;
    Int8Numbers n;
    for (std::size_t k = 0; k < conv.weight_scale.size(); ++k) {
        const double product = double(of.input.scale) * conv.weight_scale[k] * conv.scale[k];
        n.multiplier.push_back(ratio(product, after_act));
        n.shift.push_back(ratio(conv.shift[k], unit));
    }
    n.act_low = ratio(act.low, after_act);
    n.act_high = ratio(act.high, after_act);
    if (conv.after_act) {
        n.stages |= 1;
        n.after_act = inner_rounding(*conv.after_act, after_gate);
    }
    if (conv.after_gate) {
        n.stages |= 2;
        n.after_gate = inner_rounding(*conv.after_gate, unit);
    }
    if (of.residual) {
        n.residual_zero = float(of.residual->zero_point);
        n.residual_scale = ratio(of.residual->scale, unit);
    }
    n.rounds = output.has_value();
    const OutputRange range =
        output ? output_range(*output, post) : OutputRange{post.low, post.high};
    n.low = range.low;
    n.high = range.high;
    n.zero = of.output ? of.output->zero_point : 0;
    n.scale = float(unit);
    return n;
}

std::optional<std::vector<std::int32_t>> int8_bias(const FusedConv& conv, const Quantization& input,
                                                   int offset) {
    const std::int8_t* weights = conv.weights->int8s().data();
    const std::size_t outputs = conv.weight_scale.size();
    const std::size_t each = conv.weights->int8s().size() / std::max(outputs, std::size_t{1});
    constexpr double most = std::numeric_limits<std::int32_t>::max();
    constexpr std::size_t chunk = 4096;  // sums of int32 are taken by vectors
    std::vector<std::int32_t> result;
    for (std::size_t k = 0; k < outputs; ++k) {
        std::int64_t sum = 0, magnitude = 0;
        for (std::size_t i = 0; i < each; i += chunk) {
            const std::size_t end = std::min(i + chunk, each);
            std::int32_t part = 0, positive = 0;
            for (std::size_t j = i; j < end; ++j) {
                part += weights[j];
                positive += std::abs(std::int32_t(weights[j]));
            }
            sum += part;
            magnitude += positive;
        }
        weights += each;
        const double unit = double(input.scale) * conv.weight_scale[k];
        const double bias = std::nearbyint(conv.bias[k] / unit);
        const double start = bias - double(sum) * (input.zero_point - offset);
        if (!(std::abs(start) + double(magnitude) * largest <= most)) {
            return std::nullopt;
        }
        result.push_back(std::int32_t(start));
    }
    return result;
}

}  // namespace sluice
