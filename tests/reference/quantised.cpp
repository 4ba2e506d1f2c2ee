#include <cmath>

#include "reference/index.h"
#include "reference/operators.h"

// Compiled without contraction: a multiply and an add are two roundings.
namespace sluice::reference {
namespace {

float clip(float value, float low, float high) { return std::min(std::max(value, low), high); }

float round_even(float value) { return std::nearbyint(value); }

float ratio(double scale, double by) { return float(scale / by); }

/// The number that a value in units of the scale rounds to, less the zero point.
float rounded(float value, const Quantization& q) {
    return round_even(clip(value, float(-q.zero_point), float(255 - q.zero_point)));
}

/// A bound of a clamp as such a number.
float rounded_bound(float bound, const Quantization& q) {
    return rounded(ratio(bound, q.scale), q);
}

/// The steps after the sums of one output.
class Epilogue {
public:
    Epilogue(const FusedConv& conv, const QuantisedIo& io) : conv_(conv), io_(io) {
        last_ = io.y ? io.y : conv.output_rounding;
        const double y = last_ ? double(last_->scale) : 1.0;
        below_gate_ = conv.after_gate ? double(conv.after_gate->scale) : y;
        below_act_ = conv.after_act ? double(conv.after_act->scale) : below_gate_;
        y_ = y;
    }

    float run(std::int64_t acc, std::size_t k, const float* gate, const float* residual) const {
        const double unit = double(io_.x.scale) * conv_.weight_scale[k];
        float t = float(acc) * ratio(unit * double(conv_.scale[k]), below_act_);
        t = clip(t, ratio(conv_.act.low, below_act_), ratio(conv_.act.high, below_act_));
        if (conv_.after_act) {
            t = rounded(t, *conv_.after_act) * ratio(conv_.after_act->scale, below_gate_);
        }
        t = gate == nullptr ? t : t * *gate;
        if (conv_.after_gate) {
            t = rounded(t, *conv_.after_gate) * ratio(conv_.after_gate->scale, y_);
        }
        t = t + ratio(conv_.shift[k], y_);
        if (residual != nullptr) {
            t = t + (*residual - float(io_.residual.zero_point)) * ratio(io_.residual.scale, y_);
        }
        return finish(t);
    }

private:
    float finish(float t) const {
        if (!last_) {
            return clip(t, conv_.post.low, conv_.post.high);
        }
        const float q = round_even(
            clip(t, rounded_bound(conv_.post.low, *last_), rounded_bound(conv_.post.high, *last_)));
        return io_.y ? q + float(last_->zero_point) : q * last_->scale;
    }

    const FusedConv& conv_;
    const QuantisedIo& io_;
    std::optional<Quantization> last_;
    double below_act_, below_gate_, y_;
};

/// What a number stands for, less the zero point; padding stands for zero.
Tensor less_zero(const Quantization& q, const Tensor& x) {
    Tensor centred = x;
    for (float& number : centred.data) {
        number -= float(q.zero_point);
    }
    return centred;
}

}  // namespace

Tensor quantised_conv(const FusedConv& conv, const QuantisedIo& io, const Tensor& x,
                      const Tensor* gate, const Tensor* residual) {
    const Int8s& bytes = conv.weights->int8s();
    const Tensor weights{conv.weights->shape, {bytes.begin(), bytes.end()}};
    const std::vector<std::int64_t> sums =
        integer_conv2d(less_zero(io.x, x), weights, {conv.stride[0], conv.stride[1]},
                       {conv.pads[0], conv.pads[1], conv.pads[2], conv.pads[3]},
                       {conv.dilation[0], conv.dilation[1]});
    const Window window{{weights.shape[2], weights.shape[3]},
                        {conv.stride[0], conv.stride[1]},
                        {conv.pads[0], conv.pads[1], conv.pads[2], conv.pads[3]},
                        false,
                        false,
                        {conv.dilation[0], conv.dilation[1]}};
    Tensor y = zeros({x.shape[0], weights.shape[0], window_count(window, 0, x.shape[2]),
                      window_count(window, 1, x.shape[3])});
    const Epilogue epilogue(conv, io);
    for_each_index(y.shape, [&](const Shape& at) {
        const auto k = std::size_t(at[1]);
        const std::size_t i = offset(y.shape, at);
        const double unit = double(io.x.scale) * conv.weight_scale[k];
        const auto bias = std::int64_t(std::nearbyint(double(conv.bias[k]) / unit));
        const float* factor = nullptr;
        if (gate != nullptr) {
            const std::int64_t map = at[1] / (y.shape[1] / gate->shape[1]);
            factor = &gate->data[offset(
                gate->shape, {at[0], map, at[2] / conv.gate_grid, at[3] / conv.gate_grid})];
        }
        y.data[i] = epilogue.run(sums[i] + bias, k, factor,
                                 residual == nullptr ? nullptr : &residual->data[i]);
    });
    return y;
}

Tensor quantize(const Quantization& quantization, const Tensor& x) {
    Tensor y = x;
    for (float& value : y.data) {
        value = rounded(value / quantization.scale, quantization) + float(quantization.zero_point);
    }
    return y;
}

Tensor dequantize(const Quantization& quantization, const Tensor& x) {
    Tensor y = less_zero(quantization, x);
    for (float& value : y.data) {
        value *= quantization.scale;
    }
    return y;
}

Tensor quantised_add(const Quantization& qa, const Tensor& a, const Quantization& qb,
                     const Tensor& b, const Quantization& qy) {
    const float factor_a = ratio(qa.scale, qy.scale), factor_b = ratio(qb.scale, qy.scale);
    Tensor y = a;
    for (std::size_t i = 0; i < y.data.size(); ++i) {
        const float from_a = (a.data[i] - float(qa.zero_point)) * factor_a;
        const float from_b = (b.data[i] - float(qb.zero_point)) * factor_b;
        y.data[i] = rounded(from_a + from_b, qy) + float(qy.zero_point);
    }
    return y;
}

Tensor quantised_affine(const Affine& affine, const Quantization& qx, const Tensor& x,
                        const Quantization& qy) {
    const float low = rounded_bound(affine.clamp.low, qy);
    const float high = rounded_bound(affine.clamp.high, qy);
    Tensor y = less_zero(qx, x);
    for_each_index(y.shape, [&](const Shape& at) {
        const auto of_channel = [&](const std::vector<float>& values) {
            return double(values.size() == 1 ? values[0] : values[std::size_t(at[1])]);
        };
        float& value = y.data[offset(y.shape, at)];
        value = value * ratio(of_channel(affine.scale) * qx.scale, qy.scale);
        value = value + ratio(of_channel(affine.shift), qy.scale);
        value = round_even(clip(value, low, high)) + float(qy.zero_point);
    });
    return y;
}

Tensor quantised_average_pool(const Quantization& qx, const Tensor& x, const Window& window,
                              const Quantization& qy) {
    const Tensor centred = less_zero(qx, x);
    const Tensor counts = average_counts(x, window);
    Tensor y = counts;
    for (std::size_t i = 0; i < y.data.size(); ++i) {
        y.data[i] = 0;
    }
    add_windows(centred, window, y);
    const float factor = ratio(qx.scale, qy.scale);
    for (std::size_t i = 0; i < y.data.size(); ++i) {
        y.data[i] = rounded(y.data[i] * factor / counts.data[i], qy) + float(qy.zero_point);
    }
    return y;
}

}  // namespace sluice::reference
