#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/registry.h"
#include "graph/aligned.h"

namespace sluice::benchmark {

/// A convolution with a square kernel and a border of kernel / 2 zeros. Sizes are of the output.
struct ConvShape {
    int height = 0;
    int width = 0;
    int inputs = 0;  ///< channels
    int outputs = 0;
    int kernel = 3;
    int stride = 1;

    int positions() const { return height * width; }
    int taps() const { return kernel * kernel * inputs; }
    int padded_height() const { return (height - 1) * stride + kernel; }
    int padded_width() const { return (width - 1) * stride + kernel; }
};

/// Random values of a convolution relu(conv + bias) * gate, and the scalar answer.
class ConvCase {
public:
    ConvCase(const ConvShape& shape, unsigned seed);

    const ConvShape& shape() const { return shape_; }
    /// [padded height][padded width][inputs], zero in the border.
    const std::vector<float>& input() const { return input_; }
    /// [ky][kx][inputs][outputs].
    const std::vector<float>& weights() const { return weights_; }
    const std::vector<float>& bias() const { return bias_; }
    /// [height][width], none zero.
    const std::vector<float>& gate() const { return gate_; }

    /// Plain loops in double: [height][width][outputs], each position times its gate where `gated`.
    std::vector<float> compute(bool gated) const;

private:
    ConvShape shape_;
    std::vector<float> input_, weights_, bias_, gate_;
};

/// What a call computes of a map, by y * width + x.
struct Open {
    std::vector<int> positions;  ///< ascending
    /// Tiles that Winograd computes together, by row * (tiles of a row) + column, which cover
    /// `positions`; empty where the positions come one by one.
    std::vector<int> tiles;
};

/// `active` of `positions` numbers, drawn without repetition, ascending.
std::vector<int> draw_positions(int positions, int active, unsigned seed);

/// Tiles of side x side outputs that cover the map, the last ones moved back to end with it; 0
/// where the map is smaller than a tile.
int count_tiles(const ConvShape& shape, int side);
/// `active` of these tiles, with all of their positions.
Open draw_tiles(const ConvShape& shape, int side, int active, unsigned seed);
/// All positions, and all tiles where `side` is not 0.
Open all_open(const ConvShape& shape, int side);

/// Channel stride of the input that a direct or a Winograd kernel is for; 0: any.
int channels_of(const Kernel& kernel);
/// Of a Winograd kernel's tiles; 0 for a direct kernel.
int side_of(const Kernel& kernel);

/// A kernel of a dense or gated family, direct or Winograd's, with packed arguments, ready to run.
class ConvCall {
public:
    /// `open`: not empty; a Winograd kernel computes its tiles, another its positions.
    ConvCall(const ConvCase& from, const Kernel& kernel, const Open& open);
    ConvCall(const ConvCall&) = delete;
    ConvCall& operator=(const ConvCall&) = delete;

    /// 0, as the kernel returns it.
    int run() { return kernel_.function(pointers_.data()); }

    /// The largest difference from `expected` ([height][width][outputs]) at the open positions,
    /// relative to its largest value; infinite where a value is not finite or was not written.
    double difference(std::span<const float> expected) const;

private:
    struct Buffer {
        std::vector<halide_dimension_t> axes;
        halide_buffer_t buffer{};
    };
    template <typename T>
    T* add(std::size_t count, std::vector<halide_dimension_t> axes);
    void add_input(const ConvCase& from, int pitch);
    void add_list(std::span<const int> entries, int across);
    void add_weights(const ConvCase& from, int pitch);
    void add_transformed_weights(const ConvCase& from, int pitch);
    void add_rest(const ConvCase& from);

    const Kernel& kernel_;
    ConvShape shape_;
    int output_pitch_;
    std::vector<int> open_;
    std::vector<AlignedMemory> memory_;
    std::vector<Buffer> buffers_;  // reserved, so that pointers into it stay
    std::vector<std::int32_t> integers_;
    std::vector<float> floats_;
    std::vector<void*> pointers_;
    float* output_ = nullptr;
};

}  // namespace sluice::benchmark
