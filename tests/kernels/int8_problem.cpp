#include "kernels/int8_problem.h"

#include <algorithm>
#include <cmath>
#include <cstring>

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
    const int window = c.channels * c.kernel[0] * c.kernel[1];
    p.height = (c.pads[0] + c.height + c.pads[2] - c.kernel[0]) / c.stride[0] + 1;
    p.width = (c.pads[1] + c.width + c.pads[3] - c.kernel[1]) / c.stride[1] + 1;
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
    for (std::size_t i = 0; i < p.sums.size(); ++i) {
        const int at = int(i), x = at % p.width, y = at / p.width % p.height;
        const int k = at / p.width / p.height;
        std::int64_t sum = p.bias[std::size_t(k)];
        for (int tap = 0; tap < c.channels * rows * columns; ++tap) {
            const int channel = tap / columns / rows;
            const int from_y = y * c.stride[0] + tap / columns % rows - c.pads[0];
            const int from_x = x * c.stride[1] + tap % columns - c.pads[1];
            if (from_y >= 0 && from_y < c.height && from_x >= 0 && from_x < c.width) {
                const int from = (channel * c.height + from_y) * c.width + from_x;
                sum += std::int64_t(p.x[std::size_t(from)] - p.input_zero) *
                       p.weights[std::size_t(k * c.channels * rows * columns + tap)];
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

namespace {

constexpr std::uint8_t untouched_byte = 0xa5;

// [C, H, W] -> NHWC in a halo of the zero point; what lies beside the channels, and behind the last
// pixel up to the end of a group of those that are read at once, may be anything.
std::vector<std::uint8_t> pack_input(const Int8Problem& p, int channel_stride, const Int8Info& info,
                                     std::mt19937& rng) {
    const ConvCase& c = p.shape;
    const int columns = c.pads[1] + c.width + c.pads[3], rows = c.pads[0] + c.height + c.pads[2];
    const int row = c.kernel[1] * channel_stride;
    const int beyond = round_up(row, std::max(info.dot, info.depth)) - row;
    auto out = draw_integers<std::uint8_t>(
        rng, std::size_t(rows * columns * channel_stride + beyond), 0, 255);
    for (int i = 0; i < rows * columns * c.channels; ++i) {
        const int channel = i % c.channels, pixel = i / c.channels;
        const int x = pixel % columns - c.pads[1], y = pixel / columns - c.pads[0];
        const bool inside = x >= 0 && x < c.width && y >= 0 && y < c.height;
        out[std::size_t(pixel * channel_stride + channel)] =
            inside ? p.x[std::size_t((channel * c.height + y) * c.width + x)]
                   : std::uint8_t(p.input_zero);
    }
    return out;
}

// [K, C, kh, kw] -> (k % width * dot + i % dot, i / dot, ky, k / width), i = kx * channel_stride +
// c. The width is the kernel's block, for matrices a vector, of which each is `size` bytes. By
// steps, each is there twice: (k % width * dot + i % dot, 2 * step, 0, k / width).
struct Int8Weights {
    int width, dot, groups, size;
    bool has_steps;

    Int8Weights(const Int8Problem& p, const Kernel& kernel, int channel_stride) {
        const auto& info = kernel.as<Int8Info>();
        width = info.depth > 0 ? kernel.lanes : kernel.block();
        dot = info.dot;
        groups = (p.shape.kernel[1] * channel_stride + dot - 1) / dot;
        size = width * round_up(p.shape.kernel[0] * groups * dot, std::max(dot, info.depth));
        has_steps = info.has_steps();
        size *= has_steps ? 2 : 1;
    }
    int steps() const { return size / (width * dot); }
};

std::vector<std::int8_t> pack_weights(const Int8Problem& p, const Int8Weights& of,
                                      int channel_stride, int output_stride) {
    const auto [rows, columns] = p.shape.kernel;
    std::vector<std::int8_t> out(std::size_t(output_stride / of.width * of.size), 0);
    const std::int8_t* from = p.weights.data();
    for (int k = 0; k < p.shape.outputs; ++k) {
        for (int c = 0; c < p.shape.channels; ++c) {
            for (int y = 0; y < rows; ++y) {
                for (int x = 0; x < columns; ++x) {
                    const int i = x * channel_stride + c;
                    const int group = y * of.groups + i / of.dot, step = of.width * of.dot;
                    const int at = k / of.width * of.size + k % of.width * of.dot + i % of.dot;
                    if (of.has_steps) {  // of halves no two products leave 16 bits
                        const int half = *from / 2;
                        out[std::size_t(at + 2 * group * step)] = std::int8_t(half);
                        out[std::size_t(at + (2 * group + 1) * step)] = std::int8_t(*from++ - half);
                    } else {
                        out[std::size_t(at + group * step)] = *from++;
                    }
                }
            }
        }
    }
    return out;
}

// (step, block), `row` bytes from a row of the input to the next.
std::vector<std::int32_t> pack_starts(const Int8Weights& of, int row, int blocks) {
    std::vector<std::int32_t> starts;
    for (int i = 0; i < blocks * of.steps(); ++i) {
        const int group = i % of.steps() / 2;
        starts.push_back(group / of.groups * row + group % of.groups * of.dot);
    }
    return starts;
}

std::vector<std::int32_t> pack_bias(const Int8Problem& p, const Kernel& kernel, int output_stride) {
    std::vector<std::int32_t> out(std::size_t(output_stride), 0);
    const int window = p.shape.channels * p.shape.kernel[0] * p.shape.kernel[1];
    for (int k = 0; k < p.shape.outputs; ++k) {
        int sum = 0;
        for (int i = 0; i < window; ++i) {
            sum += p.weights[std::size_t(k * window + i)];
        }
        out[std::size_t(k)] =
            p.bias[std::size_t(k)] - (p.input_zero - kernel.as<Int8Info>().offset) * sum;
    }
    return out;
}

std::vector<float> pack_epilogue(const Int8Problem& p, int output_stride) {
    std::vector<float> rows(std::size_t(2 * output_stride), 0.0f);
    std::copy(p.multiplier.begin(), p.multiplier.end(), rows.begin());
    std::copy(p.shift.begin(), p.shift.end(), rows.begin() + output_stride);
    return rows;
}

// [K, H', W'] -> NHWC, zeros beside the channels.
template <typename T>
std::vector<T> pack_outputs(const std::vector<T>& values, int outputs, int channel_stride) {
    const std::size_t pixels = values.size() / std::size_t(outputs);
    std::vector<T> out(pixels * std::size_t(channel_stride), T(0));
    for (std::size_t i = 0; i < values.size(); ++i) {
        out[i % pixels * std::size_t(channel_stride) + i / pixels] = values[i];
    }
    return out;
}

/// A call's tensors in a kernel's layouts. Inputs end at guarded pages.
struct PackedInt8 {
    const Int8Problem& p;
    const Kernel& kernel;
    int channel_stride, output_stride, columns, rows;
    Int8Weights layout;
    GuardedOf<std::uint8_t> input, residual;
    GuardedOf<std::int8_t> weights;
    GuardedOf<std::int32_t> bias, starts;
    Guarded epilogue, gate;
    int gate_stride;

    PackedInt8(const Int8Problem& problem, const Kernel& of, int stride,
               const std::vector<float>& gates)
        : p(problem),
          kernel(of),
          channel_stride(stride),
          output_stride(round_up(problem.shape.outputs, of.block())),
          columns(problem.shape.pads[1] + problem.shape.width + problem.shape.pads[3]),
          rows(problem.shape.pads[0] + problem.shape.height + problem.shape.pads[2]),
          layout(problem, of, stride) {
        std::mt19937 rng(3);
        input = GuardedOf(pack_input(p, stride, of.as<Int8Info>(), rng));
        weights = GuardedOf(pack_weights(p, layout, stride, output_stride));
        bias = GuardedOf(pack_bias(p, kernel, output_stride));
        starts = GuardedOf(layout.has_steps ? pack_starts(layout, columns * channel_stride,
                                                          output_stride / kernel.block())
                                            : std::vector<std::int32_t>(1, 0));
        epilogue = Guarded(pack_epilogue(p, output_stride));
        residual =
            GuardedOf(p.has_residual ? pack_outputs(p.residual, p.shape.outputs, output_stride)
                                     : std::vector<std::uint8_t>(std::size_t(output_stride), 0));
        const bool is_element = kernel.gate == GateForm::element;
        gate_stride = is_element ? output_stride : kernel.lanes;
        gate = Guarded(gates.empty()
                           ? std::vector<float>(1, 0.0f)
                           : pack_outputs(gates, is_element ? p.shape.outputs : 1, gate_stride));
    }

    /// Writes (k, x, y) with rows of one pixel more than the output's.
    template <typename T>
    void run(const std::vector<std::uint32_t>& list, std::vector<T>& output) const;
};

template <typename T>
void PackedInt8::run(const std::vector<std::uint32_t>& list, std::vector<T>& output) const {
    const ConvCase& c = p.shape;
    const int row = columns * channel_stride, block = kernel.block(), width = p.width;
    const bool is_element = kernel.gate == GateForm::element;
    const int group = layout.width * layout.dot, out_row = (width + 1) * output_stride;
    const int x = p.has_residual ? output_stride : 0, gates = is_element ? output_stride : 1;
    View in(input.data(), {{row, 1}, {rows, row}});
    View positions(list.data(), {{int(list.size()), 1}});
    const int steps = layout.has_steps ? layout.steps() : layout.groups;
    const int blocks = output_stride / block;
    View w(weights.data(), {{group, 1},
                            {steps, group},
                            {layout.has_steps ? 1 : c.kernel[0], steps * group},
                            {blocks, block / layout.width * layout.size}});
    View s(starts.data(), {{steps, 1}, {blocks, steps}});
    View b(bias.data(), {{output_stride, 1}});
    View e(epilogue.data(), {{output_stride, 1}, {2, output_stride}});
    View g(gate.data(), {{gates, 1}, {width, gate_stride}, {p.height, width * gate_stride}});
    View r(residual.data(), {{output_stride, 1}, {width, x}, {p.height, width * x}});
    View out(output.data() + output_margin,
             {{output_stride, 1}, {width, output_stride}, {p.height, out_row}});
    const auto set = [&](auto arguments) {
        arguments.input = in, arguments.positions = positions, arguments.weights = w;
        arguments.steps = s, arguments.bias = b, arguments.epilogue = e, arguments.gate = g,
        arguments.residual = r;
        arguments.stride_x = c.stride[1], arguments.stride_y = c.stride[0];
        arguments.channel_stride = channel_stride;
        arguments.act_low = p.act.low, arguments.act_high = p.act.high;
        arguments.residual_zero = p.residual_zero, arguments.residual_scale = p.residual_scale;
        arguments.low = p.low, arguments.high = p.high, arguments.output = out;
        return arguments;
    };
    const auto [first, second] = p.stages;
    if (kernel.algorithm == Algorithm::int8_float_conv) {
        auto arguments = set(Int8FloatConvCall<halide_buffer_t*>{});
        arguments.rounds = p.rounds, arguments.scale = p.scale;
        REQUIRE(call(kernel, arguments) == 0);
    } else if (kernel.algorithm == Algorithm::int8_staged_conv) {
        auto arguments = set(Int8StagedConvCall<halide_buffer_t*>{});
        arguments.zero = p.zero;
        arguments.stages = first.is_there + 2 * second.is_there;
        arguments.low1 = first.low, arguments.high1 = first.high;
        arguments.factor1 = first.factor;
        arguments.low2 = second.low, arguments.high2 = second.high;
        arguments.factor2 = second.factor;
        REQUIRE(call(kernel, arguments) == 0);
    } else {
        auto arguments = set(Int8ConvCall<halide_buffer_t*>{});
        arguments.zero = p.zero;
        REQUIRE(call(kernel, arguments) == 0);
    }
}

// What an output channel beyond the last holds: weights, bias, multiplier and shift are zero.
float value_beyond(const Int8Problem& p, bool is_staged) {
    float t = between(0, p.act.low, p.act.high);
    for (const Stage& stage : p.stages) {
        t = is_staged && stage.is_there
                ? times(nearest(between(t, stage.low, stage.high)), stage.factor)
                : t;
    }
    return p.has_residual ? plus(t, times(-p.residual_zero, p.residual_scale)) : t;
}

template <typename T, typename Finish>
int count_wrong_of(const PackedInt8& packed, const std::vector<float>& gate,
                   const std::vector<std::uint32_t>& list, T before, Finish finish) {
    const Int8Problem& p = packed.p;
    const int stride = packed.output_stride, row = (p.width + 1) * stride;
    std::vector<T> got(std::size_t(p.height * row + 2 * output_margin), before);
    std::vector<T> want = got;
    if (!list.empty()) {
        packed.run(list, got);
    }
    const bool is_staged = packed.kernel.algorithm == Algorithm::int8_staged_conv;
    const bool is_element = packed.kernel.gate == GateForm::element;
    for (const std::uint32_t at : list) {
        const int x = int(at & 0xffff), y = int(at >> 16), pixel = y * p.width + x;
        for (int k = 0; k < stride; ++k) {
            const int map = is_element ? k : 0, area = p.height * p.width;
            const float value =
                k >= p.shape.outputs
                    ? value_beyond(p, is_staged)
                    : value_of(p, k, pixel,
                               gate.empty() ? 1 : gate[std::size_t(map * area + pixel)], is_staged);
            want[std::size_t(output_margin + y * row + x * stride + k)] = finish(value);
        }
    }
    int wrong = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        wrong += std::memcmp(&got[i], &want[i], sizeof(T)) != 0;
    }
    return wrong;
}

}  // namespace

int count_wrong(const Int8Problem& p, const Kernel& kernel, int channel_stride,
                const std::vector<float>& gate, const std::vector<std::uint32_t>& list) {
    const PackedInt8 packed(p, kernel, channel_stride, gate);
    if (kernel.algorithm == Algorithm::int8_float_conv) {
        return count_wrong_of(packed, gate, list, untouched,
                              [&](float value) { return float_of(p, value); });
    }
    return count_wrong_of(packed, gate, list, untouched_byte,
                          [&](float value) { return byte_of(p, value); });
}

}  // namespace sluice::kernel_test
