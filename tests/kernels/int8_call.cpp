#include <algorithm>
#include <cstring>
#include <optional>

#include "kernels/int8_problem.h"

namespace sluice::kernel_test {

namespace {

constexpr std::uint8_t untouched_byte = 0xa5;

// [C, H, W] -> NHWC in a halo of the zero point; what lies beside the channels, and behind the last
// pixel up to the end of a group of those that are read at once, may be anything.
std::vector<std::uint8_t> pack_input(const Int8Problem& p, int channel_stride, int beyond,
                                     std::mt19937& rng) {
    const ConvCase& c = p.shape;
    const int columns = c.pads[1] + c.width + c.pads[3], rows = c.pads[0] + c.height + c.pads[2];
    std::vector<std::uint8_t> out(std::size_t(rows * columns * channel_stride + beyond));
    std::generate(out.begin(), out.end(), [&rng] { return std::uint8_t(rng()); });
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
// c. The width is a vector, of which each is `size` bytes. By steps it is the kernel's block, and
// each step is there twice: (k % width * dot + i % dot, 2 * step, 0, k / width).
struct Int8Weights {
    int lanes, width, dot, groups, size, beyond;
    bool has_steps;

    Int8Weights(const Int8Problem& p, const Kernel& kernel, int channel_stride) {
        const auto& info = kernel.as<Int8Info>();
        const int row = p.shape.kernel[1] * channel_stride;
        dot = info.group();
        beyond = round_up(row, std::max(dot, info.depth)) - row;
        lanes = kernel.lanes;
        width = info.has_steps() ? kernel.block() : lanes;
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

// [K, 1, kh, kw] -> (k % block * dot + row % dot, kx, row / dot, window, k / block), row = ky +
// window * stride: of as many windows as lie in groups of `dot` rows that reach over the first.
struct Int8RowGroups {
    int block, dot, groups, windows = 1, width, columns, size;

    Int8RowGroups(const Int8Problem& p, const Kernel& kernel) {
        const auto& info = kernel.as<Int8DepthwiseInfo>();
        block = kernel.block(), dot = info.dot, width = block * dot;
        groups = (p.shape.kernel[0] + dot - 1) / dot;
        while (info.kernel > 0 && windows * info.stride + info.kernel <= groups * dot) {
            ++windows;
        }
        columns = p.shape.kernel[1];
        size = windows * groups * columns * width;
    }
};

std::vector<std::int8_t> pack_row_groups(const Int8Problem& p, const Int8RowGroups& of,
                                         int output_stride) {
    std::vector<std::int8_t> out(std::size_t(output_stride / of.block * of.size), 0);
    const std::int8_t* from = p.weights.data();
    for (int k = 0; k < p.shape.outputs; ++k) {
        for (int y = 0; y < p.shape.kernel[0]; ++y) {
            for (int x = 0; x < of.columns; ++x, ++from) {
                for (int window = 0; window < of.windows; ++window) {
                    const int row = y + window * p.shape.stride[0];
                    const int tap = (window * of.groups + row / of.dot) * of.columns + x;
                    out[std::size_t(k / of.block * of.size + tap * of.width +
                                    k % of.block * of.dot + row % of.dot)] = *from;
                }
            }
        }
    }
    return out;
}

std::vector<std::int32_t> pack_bias(const Int8Problem& p, int offset, int output_stride) {
    std::vector<std::int32_t> out(std::size_t(output_stride), 0);
    const int window = p.shape.channels / p.shape.groups * p.shape.kernel[0] * p.shape.kernel[1];
    for (int k = 0; k < p.shape.outputs; ++k) {
        int sum = 0;
        for (int i = 0; i < window; ++i) {
            sum += p.weights[std::size_t(k * window + i)];
        }
        out[std::size_t(k)] = p.bias[std::size_t(k)] - (p.input_zero - offset) * sum;
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
    std::optional<Int8RowGroups> depthwise;  ///< of such kernels; else `dense`
    std::optional<Int8Weights> dense;
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
          rows(problem.shape.pads[0] + problem.shape.height + problem.shape.pads[2]) {
        std::mt19937 rng(3);
        if (const auto* info = std::get_if<Int8DepthwiseInfo>(&of.info)) {
            depthwise.emplace(p, of);
            weights = GuardedOf(pack_row_groups(p, *depthwise, output_stride));
            input = GuardedOf(pack_input(p, stride, 0, rng));
            bias = GuardedOf(pack_bias(p, info->offset, output_stride));
        } else {
            dense.emplace(p, of, stride);
            weights = GuardedOf(pack_weights(p, *dense, stride, output_stride));
            input = GuardedOf(pack_input(p, stride, dense->beyond, rng));
            bias = GuardedOf(pack_bias(p, of.as<Int8Info>().offset, output_stride));
            starts = GuardedOf(
                dense->has_steps ? pack_starts(*dense, columns * stride, output_stride / of.block())
                                 : std::vector<std::int32_t>(1, 0));
        }
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

    View input_view() const {
        const int row = columns * channel_stride;
        if (depthwise) {
            return {input.data(), {{output_stride, 1}, {columns, channel_stride}, {rows, row}}};
        }
        return {input.data(), {{row, 1}, {rows, row}}};
    }

    View weights_view() const {
        const int blocks = output_stride / kernel.block();
        if (depthwise) {
            const auto& of = *depthwise;
            return {weights.data(),
                    {{of.width, 1},
                     {of.columns, of.width},
                     {of.groups, of.columns * of.width},
                     {of.windows, of.groups * of.columns * of.width},
                     {blocks, of.size}}};
        }
        const int group = dense->width * dense->dot;
        const int steps = dense->has_steps ? dense->steps() : dense->groups;
        return {weights.data(),
                {{dense->lanes * dense->dot, 1},
                 {steps, group},
                 {dense->has_steps ? 1 : p.shape.kernel[0], steps * group},
                 {kernel.block() / dense->lanes,
                  dense->has_steps ? dense->lanes * dense->dot : dense->size},
                 {blocks, kernel.block() / dense->width * dense->size}}};
    }

    View steps_view() const {
        const int steps = dense ? dense->steps() : 1;
        return {starts.data(), {{steps, 1}, {output_stride / kernel.block(), steps}}};
    }

    /// Writes (k, x, y) with rows of one pixel more than the output's.
    template <typename T>
    void run(const std::vector<std::uint32_t>& list, std::vector<T>& output) const;
};

/// Those of a problem's numbers that a kernel takes.
template <typename Call>
void set_numbers(Call& to, const Int8Problem& p, int channel_stride) {
    const ConvCase& c = p.shape;
    to.stride_x = c.stride[1], to.stride_y = c.stride[0];
    to.act_low = p.act.low, to.act_high = p.act.high;
    to.residual_zero = p.residual_zero, to.residual_scale = p.residual_scale;
    to.low = p.low, to.high = p.high;
    if constexpr (requires { to.channel_stride; }) {
        to.channel_stride = channel_stride;
    } else {
        to.dilation_x = c.dilation[1], to.dilation_y = c.dilation[0];
        to.window_rows = c.kernel[0];
    }
    if constexpr (requires { to.rounds; }) {
        to.rounds = p.rounds, to.scale = p.scale;
    } else {
        to.zero = p.zero;
    }
    if constexpr (requires { to.stages; }) {
        // Floats without stages here: the staged form's tests hold the roundings.
        const bool is_staged = !requires { to.rounds; };
        const auto [first, second] = p.stages;
        to.stages = is_staged ? first.is_there + 2 * second.is_there : 0;
        to.low1 = first.low, to.high1 = first.high, to.factor1 = first.factor;
        to.low2 = second.low, to.high2 = second.high, to.factor2 = second.factor;
    }
}

template <typename T>
void PackedInt8::run(const std::vector<std::uint32_t>& list, std::vector<T>& output) const {
    const int width = p.width, out_row = (width + 1) * output_stride;
    const int x = p.has_residual ? output_stride : 0;
    const int gates = kernel.gate == GateForm::element ? output_stride : 1;
    View in = input_view(), w = weights_view(), starts_of_steps = steps_view();
    View positions(list.data(), {{int(list.size()), 1}});
    View b(bias.data(), {{output_stride, 1}});
    View e(epilogue.data(), {{output_stride, 1}, {2, output_stride}});
    View g(gate.data(), {{gates, 1}, {width, gate_stride}, {p.height, width * gate_stride}});
    View r(residual.data(), {{output_stride, 1}, {width, x}, {p.height, width * x}});
    View out(output.data() + output_margin,
             {{output_stride, 1}, {width, output_stride}, {p.height, out_row}});
    const auto run_as = [&](auto arguments) {
        arguments.input = in, arguments.weights = w;
        if constexpr (requires { arguments.positions; }) {
            arguments.positions = positions, arguments.steps = starts_of_steps;
        }
        arguments.bias = b, arguments.epilogue = e, arguments.gate = g, arguments.residual = r;
        arguments.output = out;
        set_numbers(arguments, p, channel_stride);
        REQUIRE(call(kernel, arguments) == 0);
    };
    switch (kernel.algorithm) {
        case Algorithm::int8_float_conv:
            return run_as(Int8FloatConvCall<halide_buffer_t*>{});
        case Algorithm::int8_staged_conv:
            return run_as(Int8StagedConvCall<halide_buffer_t*>{});
        case Algorithm::int8_depthwise:
            return run_as(Int8DepthwiseCall<halide_buffer_t*>{});
        case Algorithm::int8_staged_depthwise:
            return run_as(Int8StagedDepthwiseCall<halide_buffer_t*>{});
        case Algorithm::int8_float_depthwise:
            return run_as(Int8FloatDepthwiseCall<halide_buffer_t*>{});
        default:
            return run_as(Int8ConvCall<halide_buffer_t*>{});
    }
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
    const bool is_staged = packed.kernel.algorithm == Algorithm::int8_staged_conv ||
                           packed.kernel.algorithm == Algorithm::int8_staged_depthwise;
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
    if (kernel.algorithm == Algorithm::int8_float_conv ||
        kernel.algorithm == Algorithm::int8_float_depthwise) {
        return count_wrong_of(packed, gate, list, untouched,
                              [&](float value) { return float_of(p, value); });
    }
    return count_wrong_of(packed, gate, list, untouched_byte,
                          [&](float value) { return byte_of(p, value); });
}

}  // namespace sluice::kernel_test
