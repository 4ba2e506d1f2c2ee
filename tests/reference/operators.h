#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "graph/graph.h"

/// Every operator as a scalar loop over dense row-major tensors in ONNX order, summed in double:
/// the definition that kernels, passes and plans are tested against. Shapes are the caller's
/// business: a shape that does not fit is undefined here.
namespace sluice::reference {

struct Tensor {
    Shape shape;
    std::vector<float> data;
};

/// Zeros of a shape.
Tensor zeros(const Shape& shape);

/// A sliding window: extents are {y, x}, pads {top, left, bottom, right}.
struct Window {
    std::array<std::int64_t, 2> kernel = {1, 1};
    std::array<std::int64_t, 2> stride = {1, 1};
    std::array<std::int64_t, 4> pads = {0, 0, 0, 0};
    bool ceil_mode = false;
    bool count_include_pad = false;  ///< average pooling only
};

/// Windows along axis 0 (y) or 1 (x) of an input of this extent. With ceil_mode a last window
/// that is cut off counts, unless it starts in the padding behind the input.
std::int64_t window_count(const Window& window, int axis, std::int64_t extent);

/// x [N, C, H, W], weights [K, C, kh, kw], bias [K] -> [N, K, H', W'].
Tensor conv2d(const Tensor& x, const Tensor& weights, const std::vector<float>& bias,
              const std::array<std::int64_t, 2>& stride, const std::array<std::int64_t, 4>& pads);

/// post(scale * (act(conv(x) + bias) * gate) + shift + residual), as FusedConv states it. Where the
/// gate is zero the product is zero, whatever the convolution is. `gate` is null where conv.gate is
/// none, else [N, 1, H, W], [N, G, H, W] or [N, K, H, W], in which H and W count tiles of
/// conv.gate_grid outputs. `residual` is [N, K, H, W] or null.
Tensor fused_conv(const FusedConv& conv, const Tensor& x, const Tensor* gate,
                  const Tensor* residual);
/// What fused_conv makes of `products`, which are conv(x) + bias.
Tensor gated(const FusedConv& conv, const Tensor& products, const Tensor* gate,
             const Tensor* residual);

/// clamp(scale[c] * x + shift[c]) over [N, C, ...].
Tensor affine(const Affine& affine, const Tensor& x);
Tensor clamp(const Clamp& clamp, const Tensor& x);

/// Over [N, C, H, W]; padding never wins the maximum, and NaN always does.
Tensor max_pool(const Tensor& x, const Window& window);
/// The divisor counts the input's elements, and with count_include_pad the padding's too, but
/// never what ceil_mode reaches beyond the padding.
Tensor average_pool(const Tensor& x, const Window& window);
/// [N, C, ...] -> [N, C, 1, ...].
Tensor global_average_pool(const Tensor& x);

/// x [N, I], weights [O, I], bias [O] -> [N, O].
Tensor linear(const Tensor& x, const Tensor& weights, const std::vector<float>& bias);
Tensor softmax(const Tensor& x, int axis);

enum class Binary { add, sub, mul, div };
/// Elementwise; shapes are aligned at their last extent and extents of 1 repeat.
Tensor binary(Binary op, const Tensor& a, const Tensor& b);

enum class Interpolation { nearest, linear };
enum class Coordinates { asymmetric, half_pixel, align_corners, pytorch_half_pixel };
enum class Rounding { round_prefer_floor, round_prefer_ceil, floor, ceil };
struct Resize {
    std::array<std::int64_t, 2> size;  ///< of the output: y, x
    std::array<float, 2> scale;        ///< output / input; ONNX's own where it gives scales
    Interpolation interpolation = Interpolation::nearest;
    Coordinates coordinates = Coordinates::half_pixel;
    Rounding rounding = Rounding::round_prefer_floor;  ///< nearest only
};
/// Over the last two extents of [N, C, H, W].
Tensor resize(const Tensor& x, const Resize& resize);

/// `before` and `after` give elements an axis; negative ones crop.
Tensor pad(const Tensor& x, const Shape& before, const Shape& after, float value);
/// Element i of an axis is element start + i * step of x; all axes are given.
Tensor slice(const Tensor& x, const Shape& starts, const Shape& steps, const Shape& shape);
Tensor concat(const std::vector<Tensor>& parts, int axis);
/// Axis i of the result is axis permutation[i] of x.
Tensor transpose(const Tensor& x, const std::vector<int>& permutation);

}  // namespace sluice::reference
