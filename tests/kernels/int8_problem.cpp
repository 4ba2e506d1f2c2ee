#include "kernels/int8_problem.h"

#include <algorithm>
#include <cmath>

namespace sluice::kernel_test {

namespace {

// Sums and products of floats, rounded once: doubles hold products exactly, and sums to so many
// more bits that the second rounding changes nothing. So no compiler can make them one operation.
float times(float a, float b) { return float(double(a) * double(b)); }
float plus(float a, float b) { return float(double(a) + double(b)); }

float between(float value, float low, float high) { return std::min(std::max(value, low), high); }

// Halves to even, by the definition.
float nearest(float value) {
    const double below = std::floor(double(value)), rest = double(value) - below;
    const bool is_odd = std::fmod(below, 2) != 0;
    return float(rest > 0.5 || (rest == 0.5 && is_odd) ? below + 1 : below);
}

template <typename T>
std::vector<T> draw_integers(std::mt19937& rng, std::size_t count, int low, int high) {
    std::uniform_int_distribution<int> draw(low, high);
    std::vector<T> values(count);
    for (T& value : values) {
        value = T(draw(rng));
    }
    return values;
}

Stage draw_stage(std::mt19937& rng) {
    const float zero = float(rng() % 256);
    return {rng() % 3 != 0, -zero, 255 - zero, random_values(rng, 1, 0.3f, 2)[0]};
}

}  // namespace

Int8Problem make_int8_problem(const ConvCase& c, std::mt19937& rng) {
    Int8Problem p;
    p.shape = c;
    const int window = c.channels / c.groups * c.kernel[0] * c.kernel[1];
    const auto reach = [&c](std::size_t axis) {
        return c.dilation[axis] * (c.kernel[axis] - 1) + 1;
    };
    p.height = (c.pads[0] + c.height + c.pads[2] - reach(0)) / c.stride[0] + 1;
    p.width = (c.pads[1] + c.width + c.pads[3] - reach(1)) / c.stride[1] + 1;
    const std::size_t outputs = std::size_t(c.outputs);
    p.x = draw_integers<std::uint8_t>(rng, std::size_t(c.channels * c.height * c.width), 0, 255);
    p.input_zero = int(rng() % 256);
    p.weights = draw_integers<std::int8_t>(rng, outputs * std::size_t(window), -128, 127);
    p.bias = draw_integers<std::int32_t>(rng, outputs, -20000, 20000);
    const float usual = 60 / (8000 * std::sqrt(float(window)));
    p.multiplier = random_values(rng, outputs, usual / 2, usual * 2);
    p.shift = random_values(rng, outputs, -20, 20);
    const float infinity = std::numeric_limits<float>::infinity();
    p.act = std::array<Clamp, 3>{{{}, {0, infinity}, {-30, 60}}}[rng() % 3];
    p.stages = {draw_stage(rng), draw_stage(rng)};
    p.has_residual = rng() % 2 == 0;
    p.residual =
        draw_integers<std::uint8_t>(rng, outputs * std::size_t(p.height * p.width), 0, 255);
    p.residual_zero = float(p.has_residual ? rng() % 256 : 0);
    p.residual_scale = random_values(rng, 1, 0.2f, 1)[0];
    p.zero = int(rng() % 256);
    p.low = float(rng() % 2 ? 0 : -p.zero);
    p.high = float(255 - p.zero);
    p.rounds = rng() % 2;
    p.scale = random_values(rng, 1, 0.001f, 0.1f)[0];
    compute_sums(p);
    return p;
}

void compute_sums(Int8Problem& p) {
    const ConvCase& c = p.shape;
    p.sums.assign(std::size_t(c.outputs * p.height * p.width), 0);
    const auto [rows, columns] = c.kernel;
    const int each = c.channels / c.groups;
    for (std::size_t i = 0; i < p.sums.size(); ++i) {
        const int at = int(i), x = at % p.width, y = at / p.width % p.height;
        const int k = at / p.width / p.height;
        std::int64_t sum = p.bias[std::size_t(k)];
        const int first = k / (c.outputs / c.groups) * each;
        for (int tap = 0; tap < each * rows * columns; ++tap) {
            const int channel = first + tap / columns / rows;
            const int tap_y = tap / columns % rows * c.dilation[0];
            const int from_y = y * c.stride[0] + tap_y - c.pads[0];
            const int from_x = x * c.stride[1] + tap % columns * c.dilation[1] - c.pads[1];
            if (from_y >= 0 && from_y < c.height && from_x >= 0 && from_x < c.width) {
                const int from = (channel * c.height + from_y) * c.width + from_x;
                sum += std::int64_t(p.x[std::size_t(from)] - p.input_zero) *
                       p.weights[std::size_t(k * each * rows * columns + tap)];
            }
        }
        p.sums[i] = sum;
    }
}

float value_of(const Int8Problem& p, int k, int pixel, float gate, bool is_staged) {
    const std::size_t at = std::size_t(k * p.height * p.width + pixel);
    float t = times(float(std::int32_t(p.sums[at])), p.multiplier[std::size_t(k)]);
    t = between(t, p.act.low, p.act.high);
    const auto round = [&](const Stage& stage) {
        if (is_staged && stage.is_there) {
            t = times(nearest(between(t, stage.low, stage.high)), stage.factor);
        }
    };
    round(p.stages[0]);
    t = times(t, gate);
    round(p.stages[1]);
    t = plus(t, p.shift[std::size_t(k)]);
    if (p.has_residual) {
        t = plus(t, times(float(p.residual[at]) - p.residual_zero, p.residual_scale));
    }
    return t;
}

float value_beyond(const Int8Problem& p, bool is_staged) {
    float t = between(0, p.act.low, p.act.high);
    for (const Stage& stage : p.stages) {
        t = is_staged && stage.is_there
                ? times(nearest(between(t, stage.low, stage.high)), stage.factor)
                : t;
    }
    return p.has_residual ? plus(t, times(-p.residual_zero, p.residual_scale)) : t;
}

std::uint8_t byte_of(const Int8Problem& p, float value) {
    return std::uint8_t(int(nearest(between(value, p.low, p.high))) + p.zero);
}

float float_of(const Int8Problem& p, float value) {
    const float clamped = between(value, p.low, p.high);
    return p.rounds ? times(nearest(clamped), p.scale) : clamped;
}

std::vector<float> make_int8_gate(const Int8Problem& p, int maps, double density,
                                  std::mt19937& rng) {
    const std::size_t count = std::size_t(maps * p.height * p.width), only = rng() % count;
    std::vector<float> gate = random_values(rng, count, 0.1f, 1);
    std::uniform_real_distribution<double> draw(0, 1);
    for (std::size_t i = 0; i < count; ++i) {
        const bool open = density < 0 ? i == only : draw(rng) < density;
        gate[i] = open ? gate[i] : 0;
    }
    return gate;
}

std::vector<std::uint32_t> list_open(const Int8Problem& p, const std::vector<float>& map) {
    std::vector<std::uint32_t> list;
    for (int i = 0; i < p.height * p.width; ++i) {
        if (map.empty() || map[std::size_t(i)] != 0) {
            list.push_back(std::uint32_t(i / p.width) << 16 | std::uint32_t(i % p.width));
        }
    }
    return list;
}

}  // namespace sluice::kernel_test
