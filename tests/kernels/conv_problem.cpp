#include "kernels/conv_problem.h"

#include <algorithm>
#include <limits>
#include <sstream>

#include "kernels/winograd_reference.h"

namespace sluice::kernel_test {

using reference::Tensor;

namespace {

// The first channel that an output reads.
int first_channel(const ConvCase& c, int k) {
    const int outputs = c.outputs / c.groups;
    return std::min(k, c.outputs - 1) / outputs * (c.channels / c.groups);
}

// {values of a run, runs, rows} of a direct kernel's weights.
std::array<int, 3> direct_matrices(const ConvCase& c, int block, int channel_stride) {
    const auto [rows, columns] = c.kernel;
    if (c.is_plain()) {
        return {columns * channel_stride, 1, rows};
    }
    int run = 0;
    for (int k = 0; k < c.outputs; ++k) {
        run = std::max(
            run, first_channel(c, k) + c.channels / c.groups - first_channel(c, k / block * block));
    }
    return {run, columns, rows};
}

// The first channel that each block of outputs reads, of as many as a run holds.
std::vector<std::int32_t> block_starts(const ConvCase& c, int block, int output_stride) {
    std::vector<std::int32_t> starts;
    const int run = c.is_plain() ? c.channels : direct_matrices(c, block, 0)[0];
    for (int k = 0; k < output_stride; k += block) {
        starts.push_back(std::min(first_channel(c, k), c.channels - run));
    }
    return starts;
}

// [K, C / G, kh, kw] -> (k % lanes, value of a run, run, ky, k / lanes), zeros elsewhere.
std::vector<float> pack_weights(const ConvProblem& p, const Kernel& kernel, int channel_stride,
                                int output_stride) {
    const int block = kernel.block(), lanes = kernel.lanes;
    const auto [rows, columns] = p.shape.kernel;
    const auto [run, runs, lines] = direct_matrices(p.shape, block, channel_stride);
    std::vector<float> out(std::size_t(output_stride * run * runs * lines));
    const float* from = p.conv.weights->floats().data();
    const auto starts = block_starts(p.shape, block, output_stride);
    for (int k = 0; k < p.shape.outputs; ++k) {
        const int start = starts[std::size_t(k / block)];
        for (int c = 0; c < p.shape.channels / p.shape.groups; ++c) {
            const int channel = first_channel(p.shape, k) - start + c;
            for (int y = 0; y < rows; ++y) {
                for (int x = 0; x < columns; ++x) {
                    const int row = (k / lanes * rows + y) * runs * run;
                    const int at = row + (runs == 1 ? x * channel_stride : x * run) + channel;
                    out[std::size_t(at * lanes + k % lanes)] = *from++;
                }
            }
        }
    }
    return out;
}

bool is_winograd(const Kernel& kernel) { return kernel.algorithm == Algorithm::winograd_conv; }

int count_points(const WinogradInfo& winograd) {
    const int along = winograd.side + winograd.taps - 1;
    return along * along;
}

// The taps of a window that a phase of a kernel has, [taps, taps]: every stride-th row and column
// from its own.
std::vector<float> phase_of(const float* window, int size, const WinogradInfo& of, int phase) {
    std::vector<float> taps;
    for (int y = phase / of.stride; y < of.taps * of.stride; y += of.stride) {
        for (int x = phase % of.stride; x < of.taps * of.stride; x += of.stride) {
            taps.push_back(y < size && x < size ? window[y * size + x] : 0);
        }
    }
    return taps;
}

// A window's taps, and the points that are none.
std::vector<double> beside(const float* taps, const std::vector<double>& points, int along) {
    std::vector<double> all(taps, taps + 9);
    for (int i = 0; i < along * along; ++i) {
        const int x = i % along, y = i / along;
        if ((x > 0 && x < along - 1) || (y > 0 && y < along - 1)) {
            all.push_back(points[std::size_t(i)]);
        }
    }
    return all;
}

int count_matrices(const WinogradInfo& winograd, bool beside_taps) {
    return count_points(winograd) + (beside_taps ? 9 - 4 : 0);
}

// [K, C, kh, kw] -> (k % lanes, phase * channel_stride + c, matrix, k / lanes), transformed.
std::vector<float> pack_transformed(const ConvProblem& p, const Kernel& kernel, int channel_stride,
                                    int output_stride, bool beside_taps) {
    const int lanes = kernel.lanes, size = p.shape.kernel[0];
    const WinogradInfo& info = kernel.as<WinogradInfo>();
    const int matrices = count_matrices(info, beside_taps);
    const int phases = info.stride * info.stride, depth = phases * channel_stride;
    std::vector<float> out(std::size_t(output_stride * matrices * depth));
    for (int i = 0; i < p.shape.outputs * p.shape.channels * phases; ++i) {
        const int k = i / phases / p.shape.channels, c = i / phases % p.shape.channels;
        const float* window = p.conv.weights->floats().data() + i / phases * size * size;
        auto values =
            transformed(phase_of(window, size, info, i % phases).data(), info.side, info.taps);
        if (beside_taps) {
            values = beside(window, values, info.side + info.taps - 1);
        }
        for (int number = 0; number < matrices; ++number) {
            const int at =
                (k / lanes * matrices + number) * depth + i % phases * channel_stride + c;
            out[std::size_t(at * lanes + k % lanes)] =
                p.conv.scale[std::size_t(k)] * float(values[std::size_t(number)]);
        }
    }
    return out;
}

// (k, row): bias, scale, shift; for Winograd's kernels the bias times the scale, and the shift,
// which where there is no gate is part of the bias.
std::vector<float> pack_epilogue(const FusedConv& conv, const Kernel& kernel, int output_stride) {
    std::vector<float> rows(std::size_t(3 * output_stride), 12345);
    for (std::size_t k = 0; k < std::size_t(output_stride); ++k) {
        const bool is_there = k < conv.bias.size();
        const float bias = is_there ? conv.bias[k] : 0, scale = is_there ? conv.scale[k] : 0;
        const float shift = is_there ? conv.shift[k] : 0;
        float* const row = rows.data() + k;
        row[0] = is_winograd(kernel) ? bias * scale : bias;
        if (is_winograd(kernel) && kernel.gate == GateForm::none) {
            row[0] += shift;
            continue;
        }
        row[2 * output_stride] = shift;
        if (!is_winograd(kernel)) {
            row[output_stride] = scale;
        }
    }
    return rows;
}

}  // namespace

std::vector<float> to_nhwc(const Tensor& t, int channel_stride, const std::array<int, 4>& halo) {
    const int channels = int(t.shape[1]), height = int(t.shape[2]), width = int(t.shape[3]);
    const int row = (halo[1] + width + halo[3]) * channel_stride;
    std::vector<float> out(std::size_t((halo[0] + height + halo[2]) * row));
    for (int c = 0; c < channels; ++c) {
        for (int y = 0; y < height; ++y) {
            for (int x = 0; x < width; ++x) {
                out[std::size_t((halo[0] + y) * row + (halo[1] + x) * channel_stride + c)] =
                    t.data[std::size_t((c * height + y) * width + x)];
            }
        }
    }
    return out;
}

std::string to_string(const ConvCase& c) {
    std::ostringstream text;
    text << c.channels << " -> " << c.outputs << " channels, input " << c.width << "x" << c.height
         << ", kernel " << c.kernel[1] << "x" << c.kernel[0] << ", stride " << c.stride[1] << "x"
         << c.stride[0] << ", pads " << c.pads[0] << " " << c.pads[1] << " " << c.pads[2] << " "
         << c.pads[3] << ", groups " << c.groups << ", dilation " << c.dilation[1] << "x"
         << c.dilation[0];
    return text.str();
}

std::optional<Activation> draw_activation(std::mt19937& rng) {
    const std::optional<Activation> drawn[] = {
        std::nullopt, Activation{ActivationKind::silu}, Activation{ActivationKind::silu, 1.702F},
        Activation{ActivationKind::hard_swish, 1.0F / 6, 0.5F},
        Activation{ActivationKind::hard_swish, -2, 0.25F}};
    return drawn[rng() % std::size(drawn)];
}

LastActivation last_activation(const FusedConv& conv) {
    return !conv.activation                                ? LastActivation::none
           : conv.activation->kind == ActivationKind::silu ? LastActivation::silu
                                                           : LastActivation::hard_swish;
}

bool is_plain(const ConvProblem& p) {
    const auto all = [](const std::vector<float>& values, float wanted) {
        return std::all_of(values.begin(), values.end(), [=](float v) { return v == wanted; });
    };
    return !p.has_residual && p.conv.act.is_none() && all(p.conv.scale, 1) && all(p.conv.shift, 0);
}

float output_of_zero(const FusedConv& conv) {
    const float value = conv.post.apply(0);
    return conv.activation ? reference::activation(*conv.activation, {{1}, {value}}).data[0]
                           : value;
}

Tensor weights_of(const ConvProblem& p) {
    const Floats& floats = p.conv.weights->floats();
    return {p.conv.weights->shape, {floats.begin(), floats.end()}};
}

namespace {

Tensor convolve(const ConvProblem& p) {
    const ConvCase& c = p.shape;
    return reference::conv2d(p.x, weights_of(p), p.conv.bias, {c.stride[0], c.stride[1]},
                             {c.pads[0], c.pads[1], c.pads[2], c.pads[3]},
                             {c.dilation[0], c.dilation[1]});
}

}  // namespace

ConvProblem make_problem(const ConvCase& c, std::mt19937& rng) {
    const std::array<Clamp, 4> clamps = all_clamps();
    ConvProblem p;
    p.shape = c;
    p.x = {{1, c.channels, c.height, c.width},
           random_values(rng, std::size_t(c.channels * c.height * c.width), -1, 1)};
    const int inputs = c.channels / c.groups;
    const Tensor weights = {
        {c.outputs, inputs, c.kernel[0], c.kernel[1]},
        random_values(rng, std::size_t(c.outputs * inputs * c.kernel[0] * c.kernel[1]), -1, 1)};
    const std::size_t outputs = std::size_t(c.outputs);
    p.conv.weights = std::make_shared<Constant>(Constant{weights.shape, weights.data});
    p.conv.bias = random_values(rng, outputs, -1, 1);
    p.conv.scale = random_values(rng, outputs, -2, 2);
    p.conv.shift = random_values(rng, outputs, -1, 1);
    p.conv.act = clamps[rng() % clamps.size()];
    p.conv.post = clamps[rng() % clamps.size()];
    p.products = convolve(p);
    p.residual = {p.products.shape, random_values(rng, p.products.data.size(), -1, 1)};
    p.has_residual = rng() % 2 == 0;
    p.height = int(p.products.shape[2]);
    p.width = int(p.products.shape[3]);
    return p;
}

void spoil(ConvProblem& p, std::mt19937& rng) {
    spoil(p.x.data, rng);
    spoil(p.residual.data, rng);
    if (p.conv.bias.size() > 1) {
        spoil(p.conv.bias, rng);
    }
    if (p.shape.pads == std::array{0, 0, 0, 0} && p.shape.outputs > 1) {
        std::vector<float> weights = weights_of(p).data;
        weights[rng() % weights.size()] = std::numeric_limits<float>::quiet_NaN();
        p.conv.weights = std::make_shared<Constant>(Constant{p.conv.weights->shape, weights});
    }
    p.products = convolve(p);
}

Tensor make_gate(const ConvProblem& p, int maps, double density, std::mt19937& rng) {
    const int grid = int(p.conv.gate_grid);
    const int height = (p.height + grid - 1) / grid, width = (p.width + grid - 1) / grid;
    const std::size_t count = std::size_t(maps * height * width), only = rng() % count;
    Tensor gate = {{1, maps, height, width}, random_values(rng, count, 0.1f, 1)};
    std::uniform_real_distribution<double> draw(0, 1);
    for (std::size_t i = 0; i < count; ++i) {
        const bool open = density < 0 ? i == only : draw(rng) < density;
        gate.data[i] = open ? gate.data[i] : 0;
    }
    return gate;
}

std::vector<std::uint32_t> list_positions(const ConvProblem& p, const Tensor& gate, int map) {
    std::vector<std::uint32_t> list;
    const int size = p.height * p.width;
    for (int i = 0; i < size; ++i) {
        if (map < 0 || gate.data[std::size_t(map * size + i)] != 0) {
            list.push_back(std::uint32_t(i / p.width) << 16 | std::uint32_t(i % p.width));
        }
    }
    return list;
}

namespace {

// What follows the last pixel up to a vector's end, a Winograd kernel may read but not use.
std::vector<float> padded_input(const ConvProblem& p, const Kernel& kernel, int channel_stride) {
    std::vector<float> input = to_nhwc(p.x, channel_stride, p.shape.pads);
    const int spare =
        is_winograd(kernel) ? round_up(channel_stride, kernel.lanes) - channel_stride : 0;
    input.resize(input.size() + std::size_t(spare), std::numeric_limits<float>::quiet_NaN());
    return input;
}

}  // namespace

PackedConv::PackedConv(const ConvProblem& problem, const Kernel& kernel, int channel_stride,
                       bool beside_taps)
    : problem_(problem),
      kernel_(kernel),
      channel_stride_(channel_stride),
      output_stride_(round_up(problem.shape.outputs, kernel.block())),
      padded_width_(problem.shape.pads[1] + problem.shape.width + problem.shape.pads[3]),
      padded_height_(problem.shape.pads[0] + problem.shape.height + problem.shape.pads[2]),
      matrices_(is_winograd(kernel)
                    ? std::array{kernel.as<WinogradInfo>().stride *
                                     kernel.as<WinogradInfo>().stride * channel_stride,
                                 1, count_matrices(kernel.as<WinogradInfo>(), beside_taps)}
                    : direct_matrices(problem.shape, kernel.block(), channel_stride)),
      input_(padded_input(problem, kernel, channel_stride)),
      weights_(is_winograd(kernel)
                   ? pack_transformed(problem, kernel, channel_stride, output_stride_, beside_taps)
                   : pack_weights(problem, kernel, channel_stride, output_stride_)),
      epilogue_(pack_epilogue(problem.conv, kernel, output_stride_)),
      residual_(problem.has_residual ? to_nhwc(problem.residual, output_stride_, {})
                                     : std::vector<float>(std::size_t(output_stride_), 0.0f)),
      starts_(block_starts(problem.shape, kernel.block(), output_stride_)) {}

Strided PackedConv::output() const {
    const int row = (problem_.width + 1) * output_stride_;
    return {{{output_stride_, 1}, {problem_.width, output_stride_}, {problem_.height, row}},
            output_margin};
}

void PackedConv::run(const Tensor& gate, int map, const std::vector<std::uint32_t>& list, int first,
                     int count, Strided& output) const {
    if (list.empty()) {
        return;  // as the session does: a kernel is given one position at least
    }
    const ConvProblem& p = problem_;
    const auto [run, runs, rows] = matrices_;
    const int block = kernel_.block(), lanes = kernel_.lanes;
    const int row = runs * run, panel = rows * row * lanes;
    // A map of a position gate lies in its own lane; an element gate has a value a channel.
    const bool element = kernel_.gate == GateForm::element;
    const int gate_stride = element ? output_stride_ : round_up(int(gate.shape[1]), kernel_.lanes);
    const Guarded maps(to_nhwc(gate, gate_stride, {}));
    const int gates_down = int(gate.shape[2]), gates_across = int(gate.shape[3]);
    const std::int32_t gate_shift = p.conv.gate_grid == 4 ? 2 : 0;
    const int residual_x = p.has_residual ? output_stride_ : 0;

    View in(input_.data(), {{padded_width_ * channel_stride_, 1},
                            {padded_height_, padded_width_ * channel_stride_}});
    View positions(list.data(), {{int(list.size()), 1}});
    std::vector<std::pair<int, int>> extents = {
        {lanes, 1}, {run, lanes}, {runs, run * lanes}, {rows, row * lanes}, {count / lanes, panel}};
    if (is_winograd(kernel_)) {
        extents.erase(extents.begin() + 2);
    }
    View weights(weights_.data() + first / lanes * panel, extents);
    View starts(starts_.data() + first / block, {{count / block, 1}});
    View epilogue(epilogue_.data() + first, {{count, 1}, {3, output_stride_}});
    View g(maps.data() + (element ? first : std::max(map, 0)),
           {{element ? count : 1, 1},
            {gates_across, gate_stride},
            {gates_down, gates_across * gate_stride}});
    View residual(residual_.data() + first,
                  {{count, 1}, {p.width, residual_x}, {p.height, p.width * residual_x}});
    View out = output.view();
    out.buffer.host += std::size_t(first) * sizeof(float);
    out.dims[0].extent = count;
    const Clamp &act = p.conv.act, &post = p.conv.post;
    const Activation activation = p.conv.activation.value_or(Activation{ActivationKind::silu});
    const int failed =
        is_winograd(kernel_)
            ? call(kernel_, WinogradConvCall<halide_buffer_t*>{.input = in,
                                                               .tiles = positions,
                                                               .weights = weights,
                                                               .epilogue = epilogue,
                                                               .gate = g,
                                                               .residual = residual,
                                                               .gate_shift = gate_shift,
                                                               .channel_stride = channel_stride_,
                                                               .post_low = post.low,
                                                               .post_high = post.high,
                                                               .output = out})
            : call(kernel_, GatedConvCall<halide_buffer_t*>{
                                .input = in,
                                .positions = positions,
                                .weights = weights,
                                .starts = starts,
                                .epilogue = epilogue,
                                .gate = g,
                                .residual = residual,
                                .stride_x = p.shape.stride[1],
                                .stride_y = p.shape.stride[0],
                                .channel_stride = channel_stride_,
                                .run_stride = p.shape.dilation[1] * channel_stride_,
                                .row_step = p.shape.dilation[0],
                                .act_low = act.low,
                                .act_high = act.high,
                                .post_low = post.low,
                                .post_high = post.high,
                                .is_plain = is_plain(p),
                                .activation = int(last_activation(p.conv)),
                                .activation_alpha = activation.alpha,
                                .activation_beta = activation.beta,
                                .output = out});
    REQUIRE(failed == 0);
}

}  // namespace sluice::kernel_test
