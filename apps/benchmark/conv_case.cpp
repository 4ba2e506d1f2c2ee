#include "benchmark/conv_case.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <numeric>
#include <random>
#include <utility>

namespace sluice::benchmark {
namespace {

constexpr int side = 3, taps = side * side;

std::vector<float> draw(std::mt19937& random, int count, float low, float high) {
    std::uniform_real_distribution<float> distribution(low, high);
    std::vector<float> values(static_cast<std::size_t>(count));
    std::generate(values.begin(), values.end(), [&] { return distribution(random); });
    return values;
}

// Of quantised layers.
constexpr Quantization input_numbers{0.02F, 128};
constexpr float weight_scale = 0.01F, weight_deviation = 127 / 3.5F;
constexpr int output_zero = 3;

std::vector<float> draw_integers(std::mt19937& random, int count, int low, int high) {
    std::uniform_int_distribution<int> distribution(low, high);
    std::vector<float> values(static_cast<std::size_t>(count));
    std::generate(values.begin(), values.end(),
                  [&] { return static_cast<float>(distribution(random)); });
    return values;
}

/// Bell-shaped as trained weights are, whose largest of a channel becomes 127.
std::vector<float> draw_weights(std::mt19937& random, int count) {
    std::normal_distribution<float> distribution(0, weight_deviation);
    std::vector<float> values(static_cast<std::size_t>(count));
    std::generate(values.begin(), values.end(),
                  [&] { return std::clamp(std::round(distribution(random)), -127.0F, 127.0F); });
    return values;
}

int squares_along(int extent, int grid) { return (extent + grid - 1) / grid; }

/// visit(position, square) for each position of the map.
template <typename Visit>
void for_each_position(const LayerShape& shape, int grid, Visit visit) {
    for (int y = 0; y < shape.height; ++y) {
        for (int x = 0; x < shape.width; ++x) {
            visit(static_cast<std::size_t>(y * shape.width + x),
                  static_cast<std::size_t>(y / grid * squares_along(shape.width, grid) + x / grid));
        }
    }
}

/// Adds to `sums` the products of one input map and one tap.
void add_products(const LayerShape& shape, const float* input, int tap, double weight,
                  std::vector<double>& sums) {
    const int down = tap / side - 1, right = tap % side - 1;
    for (int y = std::max(0, -down); y < std::min(shape.height, shape.height - down); ++y) {
        const float* from = input + (y + down) * shape.width + right;
        double* to = sums.data() + y * shape.width;
        for (int x = std::max(0, -right); x < std::min(shape.width, shape.width - right); ++x) {
            to[x] += weight * static_cast<double>(from[x]);
        }
    }
}

}  // namespace

void ConvCase::draw_values(std::mt19937& random) {
    const int inputs = shape_.channels * shape_.positions(), channels = shape_.channels;
    if (!is_quantised()) {
        input_ = draw(random, inputs, -1, 1);
        weights_ = draw(random, channels * depth() * taps, -1, 1);
        bias_ = draw(random, channels, -1, 1);
        return;
    }
    input_ =
        draw_integers(random, inputs, -input_numbers.zero_point, 255 - input_numbers.zero_point);
    weights_ = draw_weights(random, channels * depth() * taps);
    bias_ = draw_integers(random, channels, -1000, 1000);
    // Of the sums it is about that, times 73 of the input's, * sqrt(taps): half a range of bytes is
    // two.
    output_scale_ = input_numbers.scale * weight_scale * weight_deviation * 73 *
                    std::sqrt(static_cast<float>(taps * channels)) / 64;
}

ConvCase::ConvCase(const LayerShape& shape, unsigned seed, LayerKind kind)
    : shape_(shape), kind_(kind) {
    std::mt19937 random(seed);
    draw_values(random);
    const int positions = shape.positions();
    std::vector<double> sums(static_cast<std::size_t>(positions));
    const float* weight = weights_.data();
    for (int k = 0; k < shape.channels; ++k) {
        std::fill(sums.begin(), sums.end(), bias_[static_cast<std::size_t>(k)]);
        for (int c = 0; c < depth(); ++c) {
            const int from = kind == LayerKind::depthwise ? k : c;
            for (int tap = 0; tap < taps; ++tap) {
                add_products(shape, input_.data() + from * positions, tap, *weight++, sums);
            }
        }
        std::transform(sums.begin(), sums.end(), std::back_inserter(products_),
                       [](double sum) { return static_cast<float>(std::max(sum, 0.0)); });
    }
}

std::vector<std::uint8_t> ConvCase::byte_input() const {
    std::vector<std::uint8_t> bytes(input_.size());
    std::transform(input_.begin(), input_.end(), bytes.begin(), [](float value) {
        return static_cast<std::uint8_t>(static_cast<int>(value) + input_numbers.zero_point);
    });
    return bytes;
}

FusedConv ConvCase::conv(int grid) const {
    FusedConv conv;
    const Shape shape = {shape_.channels, depth(), side, side};
    conv.groups = shape_.channels / depth();
    conv.bias = bias_;
    if (is_quantised()) {
        conv.weights = std::make_shared<Constant>(
            Constant{shape, Int8s(std::vector<std::int8_t>(weights_.begin(), weights_.end()))});
        conv.weight_scale.assign(bias_.size(), weight_scale);
        std::transform(bias_.begin(), bias_.end(), conv.bias.begin(), [](float number) {
            return static_cast<float>(double{number} * input_numbers.scale * weight_scale);
        });
    } else {
        conv.weights = std::make_shared<Constant>(Constant{shape, weights_});
    }
    conv.scale.assign(bias_.size(), 1);
    conv.shift.assign(bias_.size(), 0);
    std::fill_n(conv.pads, 4, 1);
    conv.act.low = 0;
    conv.gate = grid == 0 ? GateForm::none : GateForm::position;
    conv.gate_grid = std::max(grid, 1);
    return conv;
}

Graph ConvCase::graph(int grid) const {
    const Shape map = {1, shape_.channels, shape_.height, shape_.width};
    Graph graph;
    graph.file = "a layer of the benchmark";
    const auto add = [&graph](const char* name, Shape extents) {
        return graph.add_value({name, std::move(extents), true, ElementType::float32, nullptr});
    };
    const ValueId input = add("input", map), x = add("x", map), y = add("y", map);
    const ValueId gate = grid == 0 ? no_value
                                   : add("gate", {1, 1, squares_along(shape_.height, grid),
                                                  squares_along(shape_.width, grid)});
    graph.inputs = {input};
    if (gate != no_value) {
        graph.inputs.push_back(gate);
    }
    graph.outputs = {y};
    if (is_quantised()) {
        for (const ValueId id : {input, x, y}) {
            Value& value = graph.values[static_cast<std::size_t>(id)];
            value.type = ElementType::uint8;
            value.quantization = id == y ? Quantization{output_scale_, output_zero} : input_numbers;
        }
    }
    graph.nodes = {{Op::identity, "before", {input}, {x}, {}, {}, {}, {}, {}},
                   {Op::fused_conv, "layer", {x, gate, no_value}, {y}, {}, conv(grid), {}, {}, {}}};
    return graph;
}

std::vector<float> ConvCase::compute(std::span<const float> gate, int grid) const {
    std::vector<float> result = products_;
    if (is_quantised()) {
        const auto unit =
            static_cast<float>(double{input_numbers.scale} * weight_scale / output_scale_);
        std::for_each(result.begin(), result.end(), [unit](float& value) { value *= unit; });
    }
    const auto map = static_cast<std::size_t>(shape_.positions());
    for (std::size_t first = 0; grid > 0 && first < result.size(); first += map) {
        for_each_position(shape_, grid, [&](std::size_t position, std::size_t square) {
            result[first + position] *= gate[square];
        });
    }
    if (is_quantised()) {
        // Halves to even.
        std::for_each(result.begin(), result.end(), [](float& value) {
            value = std::nearbyint(std::min(value, float{255 - output_zero})) + output_zero;
        });
    }
    return result;
}

int count_squares(const LayerShape& shape, int grid) {
    return squares_along(shape.height, grid) * squares_along(shape.width, grid);
}

std::vector<float> draw_gate(const LayerShape& shape, int grid, int active, unsigned seed) {
    std::vector<std::size_t> places(static_cast<std::size_t>(count_squares(shape, grid)));
    std::iota(places.begin(), places.end(), std::size_t{0});
    std::mt19937 random(seed);
    std::shuffle(places.begin(), places.end(), random);
    std::vector<float> gate(places.size());
    const std::vector<float> values = draw(random, active, 0.1f, 1);
    for (std::size_t i = 0; i < values.size(); ++i) {
        gate[places[i]] = values[i];
    }
    return gate;
}

int count_active(const LayerShape& shape, std::span<const float> gate, int grid) {
    int active = 0;
    for_each_position(
        shape, grid, [&](std::size_t, std::size_t square) { active += gate[square] != 0 ? 1 : 0; });
    return active;
}

}  // namespace sluice::benchmark
