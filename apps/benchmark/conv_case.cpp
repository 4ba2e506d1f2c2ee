#include "benchmark/conv_case.h"

#include <algorithm>
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

ConvCase::ConvCase(const LayerShape& shape, unsigned seed) : shape_(shape) {
    std::mt19937 random(seed);
    const int positions = shape.positions(), channels = shape.channels;
    input_ = draw(random, channels * positions, -1, 1);
    weights_ = draw(random, channels * channels * taps, -1, 1);
    bias_ = draw(random, channels, -1, 1);
    std::vector<double> sums(static_cast<std::size_t>(positions));
    const float* weight = weights_.data();
    for (const float bias : bias_) {
        std::fill(sums.begin(), sums.end(), bias);
        for (int c = 0; c < channels; ++c) {
            for (int tap = 0; tap < taps; ++tap) {
                add_products(shape, input_.data() + c * positions, tap, *weight++, sums);
            }
        }
        std::transform(sums.begin(), sums.end(), std::back_inserter(products_),
                       [](double sum) { return static_cast<float>(std::max(sum, 0.0)); });
    }
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
    FusedConv conv;
    conv.weights = std::make_shared<Constant>(
        Constant{{shape_.channels, shape_.channels, side, side}, weights_});
    conv.bias = bias_;
    conv.scale.assign(bias_.size(), 1);
    conv.shift.assign(bias_.size(), 0);
    std::fill_n(conv.pads, 4, 1);
    conv.act.low = 0;
    conv.gate = grid == 0 ? GateForm::none : GateForm::position;
    conv.gate_grid = std::max(grid, 1);
    graph.nodes = {
        {Op::identity, "before", {input}, {x}, {}, {}, {}, {}},
        {Op::fused_conv, "layer", {x, gate, no_value}, {y}, {}, std::move(conv), {}, {}}};
    return graph;
}

std::vector<float> ConvCase::compute(std::span<const float> gate, int grid) const {
    std::vector<float> result = products_;
    if (grid == 0) {
        return result;
    }
    const auto map = static_cast<std::size_t>(shape_.positions());
    for (std::size_t first = 0; first < result.size(); first += map) {
        for_each_position(shape_, grid, [&](std::size_t position, std::size_t square) {
            result[first + position] *= gate[square];
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
