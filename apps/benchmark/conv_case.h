#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "graph/graph.h"

namespace sluice::benchmark {

/// A layer of 3x3 windows, stride 1 and pads of 1, with as many channels out as in.
struct LayerShape {
    int height = 0;
    int width = 0;
    int channels = 0;
    bool operator==(const LayerShape&) const = default;

    int positions() const { return height * width; }
};

/// A quantised layer is of bytes, from its input to its output, and its answer exact. A depthwise
/// one convolves each channel by itself.
enum class LayerKind { dense, quantised, depthwise };

/// relu(conv(x) + bias) * gate with random values, and the scalar answer.
class ConvCase {
public:
    ConvCase(const LayerShape& shape, unsigned seed, LayerKind kind = LayerKind::dense);

    const LayerShape& shape() const { return shape_; }
    bool is_quantised() const { return kind_ == LayerKind::quantised; }
    /// NCHW; of a quantised one less the zero point.
    const std::vector<float>& input() const { return input_; }
    /// Of a quantised one: NCHW.
    std::vector<std::uint8_t> byte_input() const;
    /// The layer, the last node, behind one that computes its input, with a gate for each square of
    /// `grid` outputs each way; 0: without a gate.
    Graph graph(int grid) const;

    /// Plain loops in double: NCHW, each position times the gate of its square, 0 where that is 0.
    /// Without a gate `grid` is 0. Of a quantised one the bytes' numbers.
    std::vector<float> compute(std::span<const float> gate, int grid) const;

private:
    void draw_values(std::mt19937& random);
    FusedConv conv(int grid) const;
    /// Input channels that an output reads.
    int depth() const { return kind_ == LayerKind::depthwise ? 1 : shape_.channels; }

    LayerShape shape_;
    LayerKind kind_;
    /// Quantised: whole numbers, the bias in units of the products.
    std::vector<float> input_, weights_, bias_;
    float output_scale_ = 1;       ///< quantised
    std::vector<float> products_;  ///< relu(conv(x) + bias)
};

/// Squares of `grid` outputs each way that cover the map.
int count_squares(const LayerShape& shape, int grid);

/// A gate for each of these squares, of which `active` are not zero, drawn without repetition.
std::vector<float> draw_gate(const LayerShape& shape, int grid, int active, unsigned seed);
/// Positions in its active squares.
int count_active(const LayerShape& shape, std::span<const float> gate, int grid);

}  // namespace sluice::benchmark
