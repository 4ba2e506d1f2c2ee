#pragma once

#include <array>
#include <cstdint>
#include <optional>
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
    bool count_include_pad = false;                 ///< average pooling only
    std::array<std::int64_t, 2> dilation = {1, 1};  ///< convolutions only
};

/// Windows along axis 0 (y) or 1 (x) of an input of this extent. With ceil_mode a last window
/// that is cut off counts, unless it starts in the padding behind the input.
std::int64_t window_count(const Window& window, int axis, std::int64_t extent);

/// x [N, C, H, W], weights [K, C / G, kh, kw], bias [K] -> [N, K, H', W']: G groups, of which each
/// reads C / G consecutive channels and writes K / G of them. Negative pads crop.
Tensor conv2d(const Tensor& x, const Tensor& weights, const std::vector<float>& bias,
              const std::array<std::int64_t, 2>& stride, const std::array<std::int64_t, 4>& pads,
              const std::array<std::int64_t, 2>& dilation = {1, 1});

/// x [N, C, H, W], weights [C, K / G, kh, kw] of `groups` G, bias [K] -> [N, K, height, width]:
/// every input adds itself times the window of its group to the outputs around it, which are the
/// window's stride apart; of those within {height, width}, less the pads at the top and the left.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weights, const std::vector<float>& bias,
                        const Window& window, std::int64_t groups,
                        const std::array<std::int64_t, 2>& size);

/// The same of integers, exact and without a bias: [N, K, H', W'].
std::vector<std::int64_t> integer_conv2d(const Tensor& x, const Tensor& weights,
                                         const std::array<std::int64_t, 2>& stride,
                                         const std::array<std::int64_t, 4>& pads,
                                         const std::array<std::int64_t, 2>& dilation = {1, 1});

/// post(scale * (act(conv(x) + bias) * gate) + shift + residual), as FusedConv states it. Where the
/// gate is zero the product is zero, whatever the convolution is. `gate` is null where conv.gate is
/// none, else [N, 1, H, W], [N, G, H, W] or [N, K, H, W], in which H and W count tiles of
/// conv.gate_grid outputs. `residual` is [N, K, H, W] or null.
Tensor fused_conv(const FusedConv& conv, const Tensor& x, const Tensor* gate,
                  const Tensor* residual);
/// What fused_conv makes of `products`, which are conv(x) + bias.
Tensor gated(const FusedConv& conv, const Tensor& products, const Tensor* gate,
             const Tensor* residual);

/// The tensors that a quantised convolution reads and writes as uint8.
struct QuantisedIo {
    Quantization x;
    Quantization residual;          ///< where there is one
    std::optional<Quantization> y;  ///< none of a float output
};

/// What a kernel computes of a quantised convolution, to the bit. x and residual hold numbers of 0
/// .. 255, and so does the result where io.y is there; gates are floats. With rne half to even, acc
/// and the bias in int32, and s the scale of the next rounding below, 1 where there is none:
///
///     acc = sum (x - x.zero) * w + rne(bias / (x.scale * weight_scale[k]))
///     t   = float(acc) * float(x.scale * weight_scale[k] * scale[k] / s)
///     t   = clip(t, act.low / s, act.high / s)
///     t   = rne(clip(t, -zero, 255 - zero)) * float(after_act.scale / s)    where after_act is
///     t   = t * gate                                                        where there is one
///     t   = rne(clip(t, -zero, 255 - zero)) * float(after_gate.scale / s)   where after_gate is
///     t   = t + float(shift[k] / s)
///     t   = t + (float(residual) - residual.zero) * float(residual.scale / s)
///     q   = rne(clip(t, low, high))
///
/// where low and high are post's, rounded to numbers, within -zero .. 255 - zero of the output. The
/// result is q + zero, or q * scale of output_rounding. A float output without one is clip(t,
/// post.low, post.high). Quotients and products of scales are of doubles, rounded to float once;
/// all else is float arithmetic in this order.
Tensor quantised_conv(const FusedConv& conv, const QuantisedIo& io, const Tensor& x,
                      const Tensor* gate, const Tensor* residual);

/// Numbers of 0 .. 255: rne(clip(x / scale, -zero, 255 - zero)) + zero.
Tensor quantize(const Quantization& quantization, const Tensor& x);
/// (x - zero) * scale.
Tensor dequantize(const Quantization& quantization, const Tensor& x);
/// Sum of numbers a and b, as numbers of y: rne(clip((a - a.zero) * float(a.scale / y.scale) +
/// (b - b.zero) * float(b.scale / y.scale), -y.zero, 255 - y.zero)) + y.zero.
Tensor quantised_add(const Quantization& qa, const Tensor& a, const Quantization& qb,
                     const Tensor& b, const Quantization& qy);
/// Numbers of y: rne(clip((x - x.zero) * float(scale[c] * x.scale / y.scale) + float(shift[c] /
/// y.scale), low, high)) + y.zero, where low and high are the clamp's in units of y.scale, rounded,
/// within -y.zero .. 255 - y.zero.
Tensor quantised_affine(const Affine& affine, const Quantization& qx, const Tensor& x,
                        const Quantization& qy);
/// Averages of numbers: rne(clip(float(sum of x - x.zero) * float(x.scale / y.scale) / count,
/// -y.zero, 255 - y.zero)) + y.zero, with the count of average_pool.
Tensor quantised_average_pool(const Quantization& qx, const Tensor& x, const Window& window,
                              const Quantization& qy);

/// clamp(scale[c] * x + shift[c]) over [N, C, ...].
Tensor affine(const Affine& affine, const Tensor& x);
Tensor clamp(const Clamp& clamp, const Tensor& x);

/// Over [N, C, H, W]; padding never wins the maximum, and NaN always does.
Tensor max_pool(const Tensor& x, const Window& window);
/// The divisor counts the input's elements, and with count_include_pad the padding's too, but
/// never what ceil_mode reaches beyond the padding.
Tensor average_pool(const Tensor& x, const Window& window);
/// The divisors.
Tensor average_counts(const Tensor& x, const Window& window);
/// Adds the elements under each window to `sums`; exact where they are integers.
void add_windows(const Tensor& x, const Window& window, Tensor& sums);
/// [N, C, ...] -> [N, C, 1, ...].
Tensor global_average_pool(const Tensor& x);

enum class Reduction { sum, mean, max, min };
/// Over the axes listed, which keep the extent 1; a maximum or minimum is NaN where an element is.
Tensor reduce(Reduction reduction, const Tensor& x, const std::vector<int>& axes);
/// Of the last two axes; the others broadcast.
Tensor mat_mul(const Tensor& a, const Tensor& b);

/// x [N, I], weights [O, I], bias [O] -> [N, O].
Tensor linear(const Tensor& x, const Tensor& weights, const std::vector<float>& bias);
Tensor softmax(const Tensor& x, int axis);

/// As Activation states it.
Tensor activation(const Activation& activation, const Tensor& x);

/// max and min are NaN where either side is; prelu is a, times b where a is negative.
enum class Binary { add, sub, mul, div, max, min, pow, prelu };
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
