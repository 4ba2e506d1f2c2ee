#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "sweep/cases.h"

namespace sluice::sweep {
namespace {

/// Writes a float network once more, with QuantizeLinear and DequantizeLinear as quantisers put
/// them and int8 weights.
class Quantiser {
public:
    Quantiser(const Net& from, Random& random)
        : from_(from),
          random_(random),
          net_(random, from.batch(), from.graph.batch_is_symbolic),
          is_everywhere_(random.chance(0.7)),
          type_(random.chance(0.5) ? ElementType::uint8 : ElementType::int8),
          is_symmetric_(type_ == ElementType::int8 && random.chance(0.5)),
          is_per_channel_(random.chance(0.7)),
          varies_(random.chance(0.3)) {
        for (const Node& node : from.graph.nodes) {
            for (const ValueId id : node.inputs) {
                readers_[id].push_back(node.op);
            }
        }
    }

    Net run() {
        for (const ValueId id : from_.graph.inputs) {
            add_input(id);
        }
        for (std::size_t i = 0; i < from_.graph.nodes.size(); ++i) {
            add_node(i);
        }
        for (const ValueId id : from_.graph.outputs) {
            const ValueId y = now_.at(id);
            net_.output(is_plain(y) && random_.chance(0.4) ? quantize(y, numbers_for(y)) : y);
        }
        return std::move(net_);
    }

private:
    /// Constants of the file.
    struct Pair {
        ValueId scale, zero;
    };

    bool is_plain(ValueId id) const { return net_.graph.values[std::size_t(id)].is_float(); }

    /// Numbers that hold the value's range, about: quantisers clip what seldom occurs.
    Pair numbers_for(ValueId x) {
        float low = 0, high = 0;
        for (const float value : net_.value(x).data) {
            low = std::min(low, value);
            high = std::max(high, value);
        }
        const int least = type_ == ElementType::int8 ? -128 : 0;
        const float range = is_symmetric_ ? 2 * std::max(-low, high) : high - low;
        float scale = std::max(range, 1e-3F) / (is_symmetric_ ? 254 : 255);
        // Of odd parts, or the largest values would be ties of the rounding.
        scale *= varies_ ? random_.pick<float>({1, 0.31F, 0.73F, 1.57F, 4.1F, 29.3F}) : 1;
        const int zero = is_symmetric_         ? 0
                         : random_.chance(0.1) ? int(random_.between(least, least + 255))
                                               : least + int(std::lround(-low / scale));
        return {net_.scalar(scale),
                net_.integers({}, {std::clamp(zero, least, least + 255)}, type_)};
    }

    ValueId quantize(ValueId x, Pair pair) {
        return net_.node(Op::quantize_linear, {x, pair.scale, pair.zero});
    }

    ValueId dequantize(ValueId q, Pair pair) {
        const ValueId x = net_.node(Op::dequantize_linear, {q, pair.scale, pair.zero});
        numbers_[x] = pair;
        return x;
    }

    ValueId rounded(ValueId x, Pair pair) { return dequantize(quantize(x, pair), pair); }

    /// Of a value that a layer reads: one pair for all readers, most often.
    ValueId rounded_input(ValueId x) {
        if (numbers_.contains(x) && random_.chance(0.97)) {
            return x;
        }
        const auto found = rounded_.find(x);
        if (found != rounded_.end() && random_.chance(0.9)) {
            return found->second;
        }
        return rounded_[x] = rounded(x, numbers_for(x));
    }

    void add_input(ValueId id) {
        const Tensor& value = from_.value(id);
        if (!random_.chance(0.2)) {
            now_[id] = net_.input(value, ElementType::float32);
            return;
        }
        Tensor bytes = value;
        const int least = type_ == ElementType::int8 ? -128 : 0;
        for (float& number : bytes.data) {
            number = float(random_.between(least, least + 255));
        }
        const Pair pair = {net_.scalar(random_.uniform(0.002F, 0.05F)),
                           net_.integers({}, {int(random_.between(least, least + 255))}, type_)};
        now_[id] = dequantize(net_.input(std::move(bytes), type_), pair);
    }

    ValueId copied(ValueId id) {
        if (id == no_value) {
            return id;
        }
        const auto found = now_.find(id);
        if (found != now_.end()) {
            return found->second;
        }
        const Constant& constant = *from_.graph.values[std::size_t(id)].constant;
        return now_[id] = constant.is_float() ? net_.constant(constant.shape, from_.value(id).data)
                                              : net_.ints(constant.ints());
    }

    bool is_constant(ValueId id) const {
        return from_.graph.values[std::size_t(id)].constant != nullptr;
    }

    /// int8 weights of a layer; `axis`: that of its outputs. Their scales are added to `scales`.
    ValueId weights(ValueId id, std::size_t axis, std::vector<float>& scales) {
        const Tensor& w = from_.value(id);
        std::int64_t inner = 1;
        for (std::size_t i = axis + 1; i < w.shape.size(); ++i) {
            inner *= w.shape[i];
        }
        const auto output_of = [&](std::size_t i) {
            return std::size_t(std::int64_t(i) / inner % w.shape[axis]);
        };
        std::vector<float> largest(std::size_t(w.shape[axis]), 1e-3F);
        for (std::size_t i = 0; i < w.data.size(); ++i) {
            largest[output_of(i)] = std::max(largest[output_of(i)], std::abs(w.data[i]));
        }
        if (!is_per_channel_) {
            std::fill(largest.begin(), largest.end(),
                      *std::max_element(largest.begin(), largest.end()));
        }
        for (const float each : largest) {
            scales.push_back(each / 127);
        }
        std::vector<int> numbers;
        for (std::size_t i = 0; i < w.data.size(); ++i) {
            const int number = int(std::lround(w.data[i] / scales[output_of(i)]));
            numbers.push_back(random_.chance(0.02) ? -128 : std::clamp(number, -127, 127));
        }
        const Shape each = {std::int64_t(scales.size())};
        const ValueId scale =
            is_per_channel_ ? net_.constant(each, scales) : net_.scalar(scales[0]);
        std::vector<ValueId> inputs = {net_.integers(w.shape, numbers, ElementType::int8), scale};
        if (random_.chance(0.7)) {
            const Shape shape = is_per_channel_ ? each : Shape{};
            inputs.push_back(net_.integers(
                shape, std::vector<int>(is_per_channel_ ? scales.size() : 1), ElementType::int8));
        }
        AttributeMap attributes;
        if (is_per_channel_) {
            attributes["axis"] = std::int64_t(axis);
        }
        return net_.node(Op::dequantize_linear, inputs, attributes);
    }

    /// In int32, as quantize_static writes it, or as it is.
    ValueId bias(ValueId id, ValueId x, const std::vector<float>& scales) {
        const std::vector<float>& values = from_.value(id).data;
        if (random_.chance(0.4) || values.size() != scales.size() || !numbers_.contains(x)) {
            return copied(id);
        }
        const float unit = net_.value(numbers_[x].scale).data[0];
        std::vector<float> units;
        std::vector<int> numbers;
        for (std::size_t k = 0; k < values.size(); ++k) {
            units.push_back(unit * scales[k]);
            numbers.push_back(int(std::lround(std::clamp(values[k] / units[k], -1e8F, 1e8F))));
        }
        const Shape& shape = from_.shape(id);
        if (shape.size() != 1) {
            return copied(id);
        }
        return net_.node(
            Op::dequantize_linear,
            {net_.integers(shape, numbers, ElementType::int64), net_.constant(shape, units)},
            {{"axis", std::int64_t{0}}});
    }

    /// Of a Conv, Gemm or MatMul by constants.
    std::vector<ValueId> layer_inputs(const Node& node) {
        const ValueId x = rounded_input(copied(node.inputs[0]));
        std::vector<float> scales;
        const bool is_row_major =
            node.op == Op::mat_mul ||
            (node.op == Op::gemm && from_.graph.int_attribute(node, "transB", 0) == 0);
        std::vector<ValueId> inputs = {x, weights(node.inputs[1], is_row_major ? 1 : 0, scales)};
        if (node.inputs.size() > 2) {
            inputs.push_back(node.inputs[2] == no_value ? no_value
                                                        : bias(node.inputs[2], x, scales));
        }
        return inputs;
    }

    /// Whether what is written is read by other numbers seldom: copies of bytes.
    static bool is_copy(Op op) {
        const Op copies[] = {Op::max_pool, Op::concat,    Op::reshape,  Op::transpose,
                             Op::slice,    Op::pad,       Op::identity, Op::flatten,
                             Op::squeeze,  Op::unsqueeze, Op::resize,   Op::expand};
        return std::find(std::begin(copies), std::end(copies), op) != std::end(copies);
    }

    bool is_layer(const Node& node) const {
        return (node.op == Op::conv || node.op == Op::gemm || node.op == Op::mat_mul) &&
               is_constant(node.inputs[1]) && from_.shape(node.inputs[1]).size() >= 2;
    }

    void add_node(std::size_t place) {
        const Node& node = from_.graph.nodes[place];
        std::vector<ValueId> inputs;
        if (is_layer(node) && random_.chance(0.97)) {
            inputs = layer_inputs(node);
        } else {
            for (const ValueId id : node.inputs) {
                inputs.push_back(copied(id));
            }
            join_numbers(node, inputs);
        }
        const ValueId y = net_.node(node.op, inputs, node.attributes, from_.onnx_name(place));
        now_[node.outputs[0]] =
            is_everywhere_ && rounds(node) ? rounded_output(node, inputs, y) : y;
    }

    /// Concat joins what has the same numbers, and one side of an Add at least is rounded.
    void join_numbers(const Node& node, std::vector<ValueId>& inputs) {
        if (node.op == Op::concat && numbers_.contains(inputs[0]) && random_.chance(0.7)) {
            for (std::size_t i = 1; i < inputs.size(); ++i) {
                inputs[i] = rounded(inputs[i], numbers_[inputs[0]]);
            }
        }
        if (node.op == Op::add && !is_constant(node.inputs[1]) && !is_constant(node.inputs[0]) &&
            random_.chance(0.7)) {
            ValueId& side = inputs[random_.chance(0.5) ? 1 : 0];
            side = rounded_input(side);
        }
    }

    /// Between a layer and the activation that alone reads it, quantisers seldom round.
    bool rounds(const Node& node) {
        const auto found = readers_.find(node.outputs[0]);
        const bool is_before_activation =
            found != readers_.end() && found->second.size() == 1 &&
            (found->second[0] == Op::relu || found->second[0] == Op::clip);
        return random_.chance(is_before_activation ? 0.2 : 0.95);
    }

    ValueId rounded_output(const Node& node, const std::vector<ValueId>& inputs, ValueId y) {
        const auto found = numbers_.find(inputs[0]);
        const bool same = found != numbers_.end() && is_copy(node.op) && random_.chance(0.8);
        return rounded(y, same ? found->second : numbers_for(y));
    }

    const Net& from_;
    Random& random_;
    Net net_;
    bool is_everywhere_;  ///< after every operator, else before layers alone
    ElementType type_;    ///< of activations
    bool is_symmetric_, is_per_channel_;
    bool varies_;  ///< scales clip values, or have few steps for them
    std::map<ValueId, std::vector<Op>> readers_;  ///< of the float network's values
    std::map<ValueId, ValueId> now_;              ///< the float network's values in the other one
    std::map<ValueId, Pair> numbers_;             ///< of what a DequantizeLinear gives
    std::map<ValueId, ValueId> rounded_;          ///< what layers read of a value
};

}  // namespace

Net quantised(const Net& net, Random& random) { return Quantiser(net, random).run(); }

}  // namespace sluice::sweep
