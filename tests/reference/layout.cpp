#include <cmath>
#include <functional>
#include <numeric>

#include "reference/index.h"
#include "reference/operators.h"

namespace sluice::reference {

Tensor zeros(const Shape& shape) {
    const std::int64_t count =
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
    return {shape, std::vector<float>(std::size_t(count))};
}

Tensor pad(const Tensor& x, const Shape& before, const Shape& after, float value) {
    Shape shape = x.shape;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        shape[axis] += before[axis] + after[axis];
    }
    Tensor y = zeros(shape);
    for_each_index(shape, [&](const Shape& at) {
        Shape from = at;
        bool inside = true;
        for (std::size_t axis = 0; axis < shape.size(); ++axis) {
            from[axis] -= before[axis];
            inside = inside && from[axis] >= 0 && from[axis] < x.shape[axis];
        }
        y.data[offset(shape, at)] = inside ? x.data[offset(x.shape, from)] : value;
    });
    return y;
}

Tensor slice(const Tensor& x, const Shape& starts, const Shape& steps, const Shape& shape) {
    Tensor y = zeros(shape);
    for_each_index(shape, [&](const Shape& at) {
        Shape from = at;
        for (std::size_t axis = 0; axis < shape.size(); ++axis) {
            from[axis] = starts[axis] + at[axis] * steps[axis];
        }
        y.data[offset(shape, at)] = x.data[offset(x.shape, from)];
    });
    return y;
}

Tensor concat(const std::vector<Tensor>& parts, int axis) {
    Shape shape = parts[0].shape;
    const std::size_t along = std::size_t(axis < 0 ? axis + int(shape.size()) : axis);
    shape[along] = 0;
    for (const Tensor& part : parts) {
        shape[along] += part.shape[along];
    }
    Tensor y = zeros(shape);
    std::int64_t begin = 0;
    for (const Tensor& part : parts) {
        for_each_index(part.shape, [&](const Shape& at) {
            Shape to = at;
            to[along] += begin;
            y.data[offset(shape, to)] = part.data[offset(part.shape, at)];
        });
        begin += part.shape[along];
    }
    return y;
}

Tensor transpose(const Tensor& x, const std::vector<int>& permutation) {
    Shape shape(x.shape.size());
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        shape[axis] = x.shape[std::size_t(permutation[axis])];
    }
    Tensor y = zeros(shape);
    for_each_index(shape, [&](const Shape& at) {
        Shape from(at.size());
        for (std::size_t axis = 0; axis < at.size(); ++axis) {
            from[std::size_t(permutation[axis])] = at[axis];
        }
        y.data[offset(shape, at)] = x.data[offset(x.shape, from)];
    });
    return y;
}

namespace {

/// Where along an axis of the input an output element lies (ONNX Resize,
/// coordinate_transformation_mode), in float32: ties depend on it.
float source(Coordinates mode, std::int64_t place, float scale, std::int64_t in, std::int64_t out) {
    switch (mode) {
        case Coordinates::asymmetric:
            return float(place) / scale;
        case Coordinates::half_pixel:
            return (float(place) + 0.5F) / scale - 0.5F;
        case Coordinates::align_corners:
            return out == 1 ? 0 : float(place) * float(in - 1) / float(out - 1);
        case Coordinates::pytorch_half_pixel:
            return out == 1 ? 0 : (float(place) + 0.5F) / scale - 0.5F;
    }
    return 0;
}

float rounded(Rounding mode, float place) {
    switch (mode) {
        case Rounding::round_prefer_floor:
            return std::ceil(place - 0.5F);
        case Rounding::round_prefer_ceil:
            return std::round(place);
        case Rounding::floor:
            return std::floor(place);
        case Rounding::ceil:
            return std::ceil(place);
    }
    return 0;
}

/// Two elements of the input along an axis and the second one's share.
struct Blend {
    std::int64_t first, second;
    double share;
};

Blend blend(const Resize& resize, int axis, std::int64_t place, std::int64_t in) {
    const auto a = std::size_t(axis);
    const float at = source(resize.coordinates, place, resize.scale[a], in, resize.size[a]);
    const auto inside = [in](float i) {
        return std::min(std::max(std::int64_t(i), std::int64_t{0}), in - 1);
    };
    if (resize.interpolation == Interpolation::nearest) {
        const std::int64_t i = inside(rounded(resize.rounding, at));
        return {i, i, 0};
    }
    const float low = std::floor(at);
    return {inside(low), inside(low + 1), at - low};
}

}  // namespace

Tensor resize(const Tensor& x, const Resize& resize) {
    Tensor y = zeros({x.shape[0], x.shape[1], resize.size[0], resize.size[1]});
    for_each_index(y.shape, [&](const Shape& at) {
        const Blend v = blend(resize, 0, at[2], x.shape[2]);
        const Blend h = blend(resize, 1, at[3], x.shape[3]);
        const auto row = [&](std::int64_t in_y) {
            const double left = x.data[offset(x.shape, {at[0], at[1], in_y, h.first})];
            const double right = x.data[offset(x.shape, {at[0], at[1], in_y, h.second})];
            return left + h.share * (right - left);
        };
        const double top = row(v.first);
        y.data[offset(y.shape, at)] = float(top + v.share * (row(v.second) - top));
    });
    return y;
}

}  // namespace sluice::reference
