#include "benchmark/conv_case.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

#include "plan/builder.h"  // count_tiles
#include "plan/winograd_weights.h"

namespace sluice::benchmark {
namespace {

constexpr std::size_t most_buffers = 8;

std::vector<float> draw(std::mt19937& random, std::size_t count, float low, float high) {
    std::uniform_real_distribution<float> distribution(low, high);
    std::vector<float> values(count);
    std::generate(values.begin(), values.end(), [&] { return distribution(random); });
    return values;
}

std::size_t product(int a, int b, int c = 1) {
    return static_cast<std::size_t>(a) * static_cast<std::size_t>(b) * static_cast<std::size_t>(c);
}

}  // namespace

ConvCase::ConvCase(const ConvShape& shape, unsigned seed) : shape_(shape) {
    std::mt19937 random(seed);
    const int rows = shape.padded_height(), columns = shape.padded_width();
    const int border = shape.kernel / 2;
    input_ = draw(random, product(rows, columns, shape.inputs), -1, 1);
    for (int y = 0; y < rows; ++y) {
        for (int x = 0; x < columns; ++x) {
            if (y < border || x < border || y >= rows - border || x >= columns - border) {
                std::fill_n(
                    input_.begin() + (static_cast<std::ptrdiff_t>(y) * columns + x) * shape.inputs,
                    shape.inputs, 0.0f);
            }
        }
    }
    weights_ = draw(random, product(shape.taps(), shape.outputs), -1, 1);
    bias_ = draw(random, static_cast<std::size_t>(shape.outputs), -1, 1);
    gate_ = draw(random, product(shape.height, shape.width), 0.1f, 1);
}

std::vector<float> ConvCase::compute(bool gated) const {
    const ConvShape& s = shape_;
    std::vector<float> result(product(s.height, s.width, s.outputs));
    std::vector<double> sums(static_cast<std::size_t>(s.outputs));
    float* to = result.data();
    for (int y = 0; y < s.height; ++y) {
        for (int x = 0; x < s.width; ++x) {
            std::copy(bias_.begin(), bias_.end(), sums.begin());
            const float* weight = weights_.data();
            for (int ky = 0; ky < s.kernel; ++ky) {
                const float* from = input_.data() +
                                    product(y * s.stride + ky, s.padded_width(), s.inputs) +
                                    product(x * s.stride, s.inputs);
                for (int i = 0; i < s.kernel * s.inputs; ++i) {
                    for (double& sum : sums) {
                        sum += static_cast<double>(from[i]) * *weight++;
                    }
                }
            }
            const double gate =
                gated ? gate_[product(y, s.width) + static_cast<std::size_t>(x)] : 1;
            for (const double sum : sums) {
                *to++ = static_cast<float>(std::max(sum, 0.0) * gate);
            }
        }
    }
    return result;
}

std::vector<int> draw_positions(int positions, int active, unsigned seed) {
    std::vector<int> drawn(static_cast<std::size_t>(positions));
    std::iota(drawn.begin(), drawn.end(), 0);
    std::mt19937 random(seed);
    std::shuffle(drawn.begin(), drawn.end(), random);
    drawn.resize(static_cast<std::size_t>(active));
    std::sort(drawn.begin(), drawn.end());
    return drawn;
}

int count_tiles(const ConvShape& shape, int side) {
    const bool fits = shape.height >= side && shape.width >= side;
    return fits ? static_cast<int>(sluice::count_tiles(shape.height, side) *
                                   sluice::count_tiles(shape.width, side))
                : 0;
}

Open draw_tiles(const ConvShape& shape, int side, int active, unsigned seed) {
    const int across = static_cast<int>(sluice::count_tiles(shape.width, side));
    std::vector<bool> is_open(product(shape.height, shape.width));
    Open open;
    for (const int tile : draw_positions(count_tiles(shape, side), active, seed)) {
        open.tiles.push_back(tile);
        const int y = static_cast<int>(tile_start(tile / across, shape.height, side));
        const int x = static_cast<int>(tile_start(tile % across, shape.width, side));
        for (int i = 0; i < side * side; ++i) {
            const int position = (y + i / side) * shape.width + x + i % side;
            is_open[static_cast<std::size_t>(position)] = true;
        }
    }
    for (int position = 0; position < shape.positions(); ++position) {
        if (is_open[static_cast<std::size_t>(position)]) {
            open.positions.push_back(position);
        }
    }
    return open;
}

Open all_open(const ConvShape& shape, int side) {
    Open open;
    if (side > 0) {
        open = draw_tiles(shape, side, count_tiles(shape, side), 0);
    }
    open.positions.resize(static_cast<std::size_t>(shape.positions()));
    std::iota(open.positions.begin(), open.positions.end(), 0);
    return open;
}

int channels_of(const Kernel& kernel) {
    return kernel.algorithm == Algorithm::winograd_conv ? kernel.as<WinogradInfo>().channels
                                                        : kernel.as<DirectInfo>().channels;
}

int side_of(const Kernel& kernel) {
    return kernel.algorithm == Algorithm::winograd_conv ? kernel.as<WinogradInfo>().side : 0;
}

ConvCall::ConvCall(const ConvCase& from, const Kernel& kernel, const Open& open)
    : kernel_(kernel),
      shape_(from.shape()),
      output_pitch_(static_cast<int>(round_up(shape_.outputs, kernel.block()))),
      open_(open.positions) {
    buffers_.reserve(most_buffers);
    const int pitch = channels_of(kernel) > 0
                          ? channels_of(kernel)
                          : static_cast<int>(round_up(shape_.inputs, kernel.lanes));
    add_input(from, pitch);
    const float most = std::numeric_limits<float>::max();
    if (side_of(kernel) > 0) {
        add_list(open.tiles, static_cast<int>(sluice::count_tiles(shape_.width, side_of(kernel))));
        add_transformed_weights(from, pitch);
        integers_ = {0};
        floats_ = {0.0f, most};
    } else {
        add_list(open.positions, shape_.width);
        add_weights(from, pitch);
        integers_ = {shape_.stride, shape_.stride, pitch};
        floats_ = {0.0f, most, -most, most};
    }
    add_rest(from);
    for (Buffer& buffer : buffers_) {
        pointers_.push_back(&buffer.buffer);
    }
    void* output = pointers_.back();
    pointers_.pop_back();
    for (std::int32_t& integer : integers_) {
        pointers_.push_back(&integer);
    }
    for (float& number : floats_) {
        pointers_.push_back(&number);
    }
    pointers_.push_back(output);
}

/// The next argument: `count` elements set to zero, with the axes of the generator.
template <typename T>
T* ConvCall::add(std::size_t count, std::vector<halide_dimension_t> axes) {
    memory_.emplace_back(count * sizeof(T));
    T* data = reinterpret_cast<T*>(memory_.back().data());
    std::fill_n(data, count, T{});
    Buffer& added = buffers_.emplace_back();
    added.axes = std::move(axes);
    added.buffer.host = reinterpret_cast<std::uint8_t*>(data);
    added.buffer.type = halide_type_of<T>();
    added.buffer.dimensions = static_cast<int>(added.axes.size());
    added.buffer.dim = added.axes.data();
    return data;
}

void ConvCall::add_input(const ConvCase& from, int pitch) {
    const int rows = shape_.padded_height(), row = shape_.padded_width() * pitch;
    float* to = add<float>(product(rows, row), {{0, row, 1}, {0, rows, row}});
    for (std::size_t i = 0; i < from.input().size(); ++i) {
        const std::size_t channels = static_cast<std::size_t>(shape_.inputs);
        to[i / channels * static_cast<std::size_t>(pitch) + i % channels] = from.input()[i];
    }
}

/// `across`: entries of a row of the map.
void ConvCall::add_list(std::span<const int> entries, int across) {
    const int length = static_cast<int>(entries.size());
    auto* to = add<std::uint32_t>(entries.size(), {{0, length, 1}});
    for (const int entry : entries) {
        *to++ = static_cast<std::uint32_t>(entry / across) << 16 |
                static_cast<std::uint32_t>(entry % across);
    }
}

void ConvCall::add_weights(const ConvCase& from, int pitch) {
    const int block = kernel_.block(), row = shape_.kernel * pitch, blocks = output_pitch_ / block;
    float* to = add<float>(product(row, shape_.kernel, output_pitch_),
                           {{0, block, 1},
                            {0, row, block},
                            {0, shape_.kernel, row * block},
                            {0, blocks, row * block * shape_.kernel}});
    const float* value = from.weights().data();
    for (int ky = 0; ky < shape_.kernel; ++ky) {
        for (int kx = 0; kx < shape_.kernel; ++kx) {
            for (int c = 0; c < shape_.inputs; ++c) {
                for (int k = 0; k < shape_.outputs; ++k) {
                    const std::size_t tap = product(k / block * shape_.kernel + ky, row) +
                                            static_cast<std::size_t>(kx * pitch + c);
                    to[tap * static_cast<std::size_t>(block) +
                       static_cast<std::size_t>(k % block)] = *value++;
                }
            }
        }
    }
}

void ConvCall::add_transformed_weights(const ConvCase& from, int pitch) {
    const int block = kernel_.block(), matrix = pitch * block, blocks = output_pitch_ / block;
    const int points = static_cast<int>(winograd_points(side_of(kernel_), shape_.kernel)),
              taps = shape_.kernel * shape_.kernel;
    float* to = add<float>(
        product(pitch, points, output_pitch_),
        {{0, block, 1}, {0, pitch, block}, {0, points, matrix}, {0, blocks, points * matrix}});
    std::vector<float> kchw(product(shape_.taps(), shape_.outputs));
    const float* value = from.weights().data();
    for (int tap = 0; tap < taps; ++tap) {
        for (int c = 0; c < shape_.inputs; ++c) {
            for (int k = 0; k < shape_.outputs; ++k) {
                kchw[product(k * shape_.inputs + c, taps) + static_cast<std::size_t>(tap)] =
                    *value++;
            }
        }
    }
    transform_weights({kchw.data(), shape_.outputs, shape_.inputs, shape_.kernel},
                      {side_of(kernel_), pitch, output_pitch_, block}, to);
}

/// Epilogue, gate, residual and output.
void ConvCall::add_rest(const ConvCase& from) {
    const int height = shape_.height, width = shape_.width, pitch = output_pitch_;
    float* epilogue = add<float>(product(3, pitch), {{0, pitch, 1}, {0, 3, pitch}});
    std::copy(from.bias().begin(), from.bias().end(), epilogue);
    std::fill_n(epilogue + pitch, pitch, 1.0f);
    float* gate =
        add<float>(product(height, width), {{0, 1, 1}, {0, width, 1}, {0, height, width}});
    std::copy(from.gate().begin(), from.gate().end(), gate);
    add<float>(static_cast<std::size_t>(pitch), {{0, pitch, 1}, {0, width, 0}, {0, height, 0}});
    output_ = add<float>(product(height, width, pitch),
                         {{0, pitch, 1}, {0, width, pitch}, {0, height, width * pitch}});
    std::fill_n(output_, product(height, width, pitch), std::numeric_limits<float>::quiet_NaN());
}

double ConvCall::difference(std::span<const float> expected) const {
    double largest = 0, worst = 0;
    for (const int position : open_) {
        for (int k = 0; k < shape_.outputs; ++k) {
            const double want =
                expected[product(position, shape_.outputs) + static_cast<std::size_t>(k)];
            const double got =
                output_[product(position, output_pitch_) + static_cast<std::size_t>(k)];
            if (!std::isfinite(got)) {
                return std::numeric_limits<double>::infinity();
            }
            largest = std::max(largest, std::abs(want));
            worst = std::max(worst, std::abs(got - want));
        }
    }
    return largest > 0 ? worst / largest : worst;
}

}  // namespace sluice::benchmark
