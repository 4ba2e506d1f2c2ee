#include <cmath>
#include <limits>

#include "reference/index.h"
#include "reference/operators.h"

namespace sluice::reference {

std::int64_t window_count(const Window& window, int axis, std::int64_t extent) {
    const auto a = std::size_t(axis);
    const std::int64_t stride = window.stride[a];
    const std::int64_t reach = window.dilation[a] * (window.kernel[a] - 1) + 1;
    const std::int64_t room = extent + window.pads[a] + window.pads[a + 2] - reach;
    if (!window.ceil_mode) {
        return room / stride + 1;
    }
    const std::int64_t count = (room + stride - 1) / stride + 1;
    return (count - 1) * stride >= extent + window.pads[a] ? count - 1 : count;
}

namespace {

/// Adds weight times a plane of x [H, W], moved by the tap's place in the window, to a plane of
/// sums [H', W'].
template <typename Sum>
void add_tap(const float* x, std::int64_t height, std::int64_t width, Sum weight,
             std::int64_t tap_y, std::int64_t tap_x, const std::array<std::int64_t, 2>& stride,
             std::int64_t out_height, std::int64_t out_width, Sum* sums) {
    for (std::int64_t out_y = 0; out_y < out_height; ++out_y) {
        const std::int64_t in_y = out_y * stride[0] + tap_y;
        if (in_y < 0 || in_y >= height) {
            continue;
        }
        for (std::int64_t out_x = 0; out_x < out_width; ++out_x) {
            const std::int64_t in_x = out_x * stride[1] + tap_x;
            if (in_x >= 0 && in_x < width) {
                sums[out_y * out_width + out_x] += weight * Sum(x[in_y * width + in_x]);
            }
        }
    }
}

/// conv(x) in double or in integers, without a bias.
template <typename Sum>
std::vector<Sum> sums_of(const Tensor& x, const Tensor& weights, const Window& window) {
    const std::int64_t maps = weights.shape[0], channels = weights.shape[1];
    const std::int64_t maps_each = maps / (x.shape[1] / channels);  // of a group
    const std::int64_t height = x.shape[2], width = x.shape[3];
    const std::int64_t out_height = window_count(window, 0, height);
    const std::int64_t out_width = window_count(window, 1, width);
    std::vector<Sum> sums(std::size_t(x.shape[0] * maps * out_height * out_width), Sum(0));
    Sum* plane = sums.data();
    for (std::int64_t n = 0; n < x.shape[0]; ++n) {
        for (std::int64_t k = 0; k < maps; ++k, plane += out_height * out_width) {
            for (std::int64_t c = 0; c < channels; ++c) {
                for (std::int64_t r = 0; r < window.kernel[0]; ++r) {
                    for (std::int64_t s = 0; s < window.kernel[1]; ++s) {
                        const std::int64_t from = k / maps_each * channels + c;
                        add_tap(&x.data[offset(x.shape, {n, from, 0, 0})], height, width,
                                Sum(weights.data[offset(weights.shape, {k, c, r, s})]),
                                r * window.dilation[0] - window.pads[0],
                                s * window.dilation[1] - window.pads[1], window.stride, out_height,
                                out_width, plane);
                    }
                }
            }
        }
    }
    return sums;
}

Window conv_window(const Tensor& weights, const std::array<std::int64_t, 2>& stride,
                   const std::array<std::int64_t, 4>& pads,
                   const std::array<std::int64_t, 2>& dilation) {
    return {{weights.shape[2], weights.shape[3]}, stride, pads, false, false, dilation};
}

/// x with input_dilation - 1 zeros between neighbours.
Tensor spread(const Tensor& x, const std::int64_t (&distance)[2]) {
    Shape shape = x.shape;
    for (std::size_t a = 0; a < 2; ++a) {
        shape[a + 2] = (shape[a + 2] - 1) * distance[a] + 1;
    }
    Tensor wide = zeros(shape);
    for_each_index(x.shape, [&](const Shape& at) {
        const Shape to = {at[0], at[1], at[2] * distance[0], at[3] * distance[1]};
        wide.data[offset(shape, to)] = x.data[offset(x.shape, at)];
    });
    return wide;
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weights, const std::vector<float>& bias,
              const std::array<std::int64_t, 2>& stride, const std::array<std::int64_t, 4>& pads,
              const std::array<std::int64_t, 2>& dilation) {
    const Window window = conv_window(weights, stride, pads, dilation);
    const auto sums = sums_of<double>(x, weights, window);
    Tensor y = zeros({x.shape[0], weights.shape[0], window_count(window, 0, x.shape[2]),
                      window_count(window, 1, x.shape[3])});
    for_each_index(y.shape, [&](const Shape& at) {
        const std::size_t i = offset(y.shape, at);
        y.data[i] = float(double(bias[std::size_t(at[1])]) + sums[i]);
    });
    return y;
}

Tensor conv_transpose2d(const Tensor& x, const Tensor& weights, const std::vector<float>& bias,
                        const Window& window, std::int64_t groups,
                        const std::array<std::int64_t, 2>& size) {
    const std::int64_t each = weights.shape[1], channels = x.shape[1] / groups;
    const Shape shape = {x.shape[0], each * groups, size[0], size[1]};
    std::vector<double> sums(std::size_t(element_count(shape)), 0);
    for_each_index(x.shape, [&](const Shape& at) {
        for_each_index(Shape{each, window.kernel[0], window.kernel[1]}, [&](const Shape& tap) {
            const std::int64_t k = at[1] / channels * each + tap[0];
            const std::int64_t y =
                at[2] * window.stride[0] + tap[1] * window.dilation[0] - window.pads[0];
            const std::int64_t x_out =
                at[3] * window.stride[1] + tap[2] * window.dilation[1] - window.pads[1];
            if (y >= 0 && y < size[0] && x_out >= 0 && x_out < size[1]) {
                const Shape from = {at[1], tap[0], tap[1], tap[2]};
                sums[offset(shape, {at[0], k, y, x_out})] +=
                    double(x.data[offset(x.shape, at)]) * weights.data[offset(weights.shape, from)];
            }
        });
    });
    Tensor y = zeros(shape);
    for_each_index(shape, [&](const Shape& at) {
        const std::size_t i = offset(shape, at);
        y.data[i] = float(double(bias[std::size_t(at[1])]) + sums[i]);
    });
    return y;
}

std::vector<std::int64_t> integer_conv2d(const Tensor& x, const Tensor& weights,
                                         const std::array<std::int64_t, 2>& stride,
                                         const std::array<std::int64_t, 4>& pads,
                                         const std::array<std::int64_t, 2>& dilation) {
    return sums_of<std::int64_t>(x, weights, conv_window(weights, stride, pads, dilation));
}

Tensor gated(const FusedConv& conv, const Tensor& products, const Tensor* gate,
             const Tensor* residual) {
    Tensor y = products;
    for_each_index(y.shape, [&](const Shape& at) {
        const auto k = std::size_t(at[1]);
        const std::size_t i = offset(y.shape, at);
        double value = apply(conv.act, y.data[i]);
        if (gate != nullptr) {
            // All gate forms at once: with G maps, each is shared by K / G consecutive channels.
            const std::int64_t map = at[1] / (y.shape[1] / gate->shape[1]);
            const float factor = gate->data[offset(
                gate->shape, {at[0], map, at[2] / conv.gate_grid, at[3] / conv.gate_grid})];
            value = factor == 0 ? 0 : value * factor;
        }
        value = conv.scale[k] * value + conv.shift[k];
        if (residual != nullptr) {
            value += residual->data[i];
        }
        y.data[i] = apply(conv.post, value);
    });
    return conv.activation ? activation(*conv.activation, y) : y;
}

Tensor fused_conv(const FusedConv& conv, const Tensor& x, const Tensor* gate,
                  const Tensor* residual) {
    const Floats& floats = conv.weights->floats();
    const Tensor weights{conv.weights->shape, {floats.begin(), floats.end()}};
    return gated(conv,
                 conv2d(conv.is_transposed() ? spread(x, conv.input_dilation) : x, weights,
                        conv.bias, {conv.stride[0], conv.stride[1]},
                        {conv.pads[0], conv.pads[1], conv.pads[2], conv.pads[3]},
                        {conv.dilation[0], conv.dilation[1]}),
                 gate, residual);
}

namespace {

/// Calls visit(index of x) for the elements of x under the window at `at`, padding left out.
template <typename Visit>
void for_each_in_window(const Tensor& x, const Window& window, const Shape& at, Visit visit) {
    for (std::int64_t r = 0; r < window.kernel[0]; ++r) {
        for (std::int64_t s = 0; s < window.kernel[1]; ++s) {
            const std::int64_t in_y = at[2] * window.stride[0] - window.pads[0] + r;
            const std::int64_t in_x = at[3] * window.stride[1] - window.pads[1] + s;
            if (in_y >= 0 && in_y < x.shape[2] && in_x >= 0 && in_x < x.shape[3]) {
                visit(offset(x.shape, {at[0], at[1], in_y, in_x}));
            }
        }
    }
}

/// Elements of the padded input that the window at `place` covers along an axis.
std::int64_t padded_extent(const Window& window, int axis, std::int64_t extent,
                           std::int64_t place) {
    const auto a = std::size_t(axis);
    const std::int64_t begin = place * window.stride[a];
    const std::int64_t end = extent + window.pads[a] + window.pads[a + 2];
    return std::min(begin + window.kernel[a], end) - begin;
}

Tensor pooled(const Tensor& x, const Window& window) {
    return zeros({x.shape[0], x.shape[1], window_count(window, 0, x.shape[2]),
                  window_count(window, 1, x.shape[3])});
}

}  // namespace

Tensor max_pool(const Tensor& x, const Window& window) {
    Tensor y = pooled(x, window);
    for_each_index(y.shape, [&](const Shape& at) {
        float best = -std::numeric_limits<float>::infinity();
        for_each_in_window(x, window, at, [&](std::size_t i) {
            best = std::isnan(best) || best > x.data[i] ? best : x.data[i];
        });
        y.data[offset(y.shape, at)] = best;
    });
    return y;
}

Tensor average_pool(const Tensor& x, const Window& window) {
    Tensor y = average_counts(x, window);
    for_each_index(y.shape, [&](const Shape& at) {
        double sum = 0;
        for_each_in_window(x, window, at, [&](std::size_t i) { sum += x.data[i]; });
        float& count = y.data[offset(y.shape, at)];
        count = float(sum / double(count));
    });
    return y;
}

Tensor average_counts(const Tensor& x, const Window& window) {
    Tensor counts = pooled(x, window);
    for_each_index(counts.shape, [&](const Shape& at) {
        std::int64_t count = 0;
        for_each_in_window(x, window, at, [&](std::size_t) { ++count; });
        if (window.count_include_pad) {
            count = padded_extent(window, 0, x.shape[2], at[2]) *
                    padded_extent(window, 1, x.shape[3], at[3]);
        }
        counts.data[offset(counts.shape, at)] = float(count);
    });
    return counts;
}

void add_windows(const Tensor& x, const Window& window, Tensor& sums) {
    for_each_index(sums.shape, [&](const Shape& at) {
        float& sum = sums.data[offset(sums.shape, at)];
        for_each_in_window(x, window, at, [&](std::size_t i) { sum += x.data[i]; });
    });
}

Tensor global_average_pool(const Tensor& x) {
    Shape shape(x.shape.size(), 1);
    shape[0] = x.shape[0];
    shape[1] = x.shape[1];
    Tensor y = zeros(shape);
    const std::size_t area = x.data.size() / y.data.size();
    for (std::size_t map = 0; map < y.data.size(); ++map) {
        double sum = 0;
        for (std::size_t i = 0; i < area; ++i) {
            sum += x.data[map * area + i];
        }
        y.data[map] = float(sum / double(area));
    }
    return y;
}

}  // namespace sluice::reference
