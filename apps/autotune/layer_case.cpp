#include "autotune/layer_case.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <utility>

#include "autotune/pairs.h"
#include "benchmark/kernel_times.h"
#include "plan/winograd_weights.h"

namespace sluice::autotune {
namespace {

constexpr std::int64_t alignment = memory_alignment / 4;  // floats
/// More than the caches of one core's share of a processor hold.
constexpr std::size_t most_bytes = std::size_t{64} << 20;

/// Arguments of a convolution's generator.
struct ConvArguments {
    std::size_t weights, epilogue, gate;
};
constexpr ConvArguments gated_conv{2, 3, 4};  // and winograd_conv's
constexpr ConvArguments sparse_conv{4, 7, 8};
constexpr std::size_t sparse_pairs = 2, sparse_counts = 3, sparse_sums = 14;
/// More than any tile has, and than kernel_map writes at once.
constexpr std::int64_t most_pixels = 32;

bool is_sparse(const Step& step) { return step.kernel->algorithm == Algorithm::sparse_conv; }
bool is_winograd(const Step& step) { return step.kernel->algorithm == Algorithm::winograd_conv; }

const ConvArguments& arguments_of(const Step& step) {
    return is_sparse(step) ? sparse_conv : gated_conv;
}

bool is_conv(const Step& step) {
    return step.kernel->algorithm == Algorithm::gated_conv || is_winograd(step) || is_sparse(step);
}

/// Elements from the first to the last.
std::int64_t span_of(const Buffer& buffer) {
    std::int64_t span = 1;
    for (const Axis& axis : buffer.axes) {
        span += (axis.extent - 1) * axis.stride;
    }
    return span;
}

Buffer& buffer_of(Step& step, std::size_t argument) {
    return std::get<Buffer>(step.arguments[argument]);
}
const Buffer& buffer_of(const Step& step, std::size_t argument) {
    return std::get<Buffer>(step.arguments[argument]);
}
const Buffer& weights_of(const Step& step) { return buffer_of(step, arguments_of(step).weights); }

/// The step with its weights packed by `block`, which lie at the start of the constants. Their
/// middle axes are a row's taps and the rows, or Winograd's channels and points.
Step packed_step(Step step, int block) {
    if (block > 0) {
        Buffer& weights = buffer_of(step, arguments_of(step).weights);
        const std::int64_t outputs = weights.axes[0].extent * weights.axes[3].extent;
        const std::int64_t row = weights.axes[1].extent, rows = weights.axes[2].extent;
        weights.axes = {
            {block, 1}, {row, block}, {rows, row * block}, {outputs / block, rows * row * block}};
        if (is_sparse(step)) {
            std::vector<Axis>& sums = buffer_of(step, sparse_sums).axes;
            const std::int64_t pixels = sums[1].extent;
            sums = {{block, 1}, {pixels, block}, {outputs / block, pixels * block}};
        }
    }
    return step;
}

/// [k][tap][c] -> [k][c][tap] of windows.
std::vector<float> channels_first(const std::vector<float>& matrix, std::int64_t channels,
                                  std::int64_t taps_of_window) {
    const auto pitch = static_cast<std::size_t>(channels);
    const auto taps = static_cast<std::size_t>(taps_of_window), window = pitch * taps;
    std::vector<float> result(matrix.size());
    for (std::size_t i = 0; i < matrix.size(); ++i) {
        const std::size_t k = i / window, tap = i % window / pitch, c = i % pitch;
        result[k * window + c * taps + tap] = matrix[i];
    }
    return result;
}

/// Of the step's weights as they are packed; 0 for steps without.
std::size_t packed_bytes(const Step& step, int block) {
    if (block == 0) {
        return 0;
    }
    std::int64_t values = 1;
    for (const Axis& axis : weights_of(step).axes) {
        values *= axis.extent;
    }
    return static_cast<std::size_t>(round_up(values, alignment)) * sizeof(float);
}

void pack(const std::vector<float>& matrix, const Step& step, int block, float* to) {
    const Buffer& weights = weights_of(step);
    const std::int64_t outputs = weights.axes[0].extent * weights.axes[3].extent;
    if (is_winograd(step)) {
        const std::int64_t pitch = weights.axes[1].extent;
        const WinogradInfo& info = step.kernel->as<WinogradInfo>();
        const std::int64_t kernel = info.taps;
        const std::vector<float> kcyx = channels_first(matrix, pitch, kernel * kernel);
        transform_weights({kcyx.data(), outputs, pitch, kernel}, {info.side, pitch, outputs, block},
                          to);
        return;
    }
    const auto row = static_cast<std::size_t>(weights.axes[1].extent * weights.axes[2].extent);
    const auto width = static_cast<std::size_t>(block);
    for (std::size_t i = 0; i < matrix.size(); ++i) {
        const std::size_t k = i / row, tap = i % row;
        to[(k / width * row + tap) * width + k % width] = matrix[i];
    }
}

bool are_same_bits(float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

}  // namespace

LayerCase::LayerCase(const Step& step, std::vector<Load> loads, unsigned seed,
                     std::size_t network_bytes)
    : step_(step),
      loads_(std::move(loads)),
      timed_(loads_.size()),
      network_bytes_(std::min(network_bytes, most_bytes)) {
    add_short_lists();
    if (is_conv(step_)) {
        draw_weights(seed);
    }
    if (is_sparse(step_)) {
        widen_pairs();
    }
    place(seed);
    Call plans(*this, step_.kernel->function, is_conv(step_) ? step_.kernel->block() : 0);
    for (std::size_t load = 0; load < loads_.size(); ++load) {
        plans.prepare(load);
        plans.run();
        answers_.emplace_back(plans.memory().begin(), plans.memory().end());
    }
}

void LayerCase::add_short_lists() {
    for (const std::size_t length : {1, 2, 7, 31}) {
        const std::vector<std::uint32_t>& from = loads_[0].list;
        if (length < from.size()) {
            const auto end = from.begin() + static_cast<std::ptrdiff_t>(length);
            loads_.push_back({0, {from.begin(), end}, 0, loads_[0].inputs});
        }
    }
}

void LayerCase::draw_weights(unsigned seed) {
    Buffer& weights = buffer_of(step_, arguments_of(step_).weights);
    const std::int64_t outputs = weights.axes[0].extent * weights.axes[3].extent;
    std::int64_t taps = weights.axes[2].extent;
    if (is_winograd(step_)) {
        const WinogradInfo& info = step_.kernel->as<WinogradInfo>();
        const std::int64_t kernel = info.taps;
        taps = kernel * kernel;
        // The plan may have them beside a direct kernel's, which another block would not fit.
        weights.axes[2].extent = winograd_points(info.side, kernel);
    }
    const std::int64_t count = outputs * weights.axes[1].extent * taps;
    weights.memory = Memory::constants;
    weights.offset = 0;
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> draw(-1, 1);
    matrix_.resize(static_cast<std::size_t>(count));
    std::generate(matrix_.begin(), matrix_.end(), [&] { return draw(random); });
}

/// Leaves room for what the tile of any candidate reads behind each tap's pairs.
void LayerCase::widen_pairs() {
    const std::vector<Axis>& output = buffer_of(step_, output_argument()).axes;
    const std::int64_t capacity = output[1].extent * output[2].extent + most_pixels;
    std::vector<Axis>& pairs = buffer_of(step_, sparse_pairs).axes;
    pairs = {{capacity, 1}, {pairs[1].extent, capacity}};
}

bool LayerCase::is_written(std::size_t argument) const {
    return argument == output_argument() || (is_sparse(step_) && argument == sparse_sums);
}

/// Whether a kernel may leave anything there.
bool LayerCase::is_scratch(std::size_t at) const {
    if (!is_sparse(step_)) {
        return false;
    }
    const Buffer& sums = buffer_of(step_, sparse_sums);
    const auto place = static_cast<std::int64_t>(at);
    return place >= sums.offset && place < sums.offset + span_of(sums);
}

/// Gives every buffer but the weights a place in one arena, with a margin behind each.
void LayerCase::place(unsigned seed) {
    std::uniform_real_distribution<float> draw(-1, 1), open(0.1f, 1);
    for (std::size_t i = 0; i < step_.arguments.size(); ++i) {
        // Each argument's own, so that two kernels of the same layer read the same values.
        std::mt19937 random(seed + 1 + static_cast<unsigned>(i));
        Buffer* buffer = std::get_if<Buffer>(&step_.arguments[i]);
        if (buffer == nullptr || (is_conv(step_) && i == arguments_of(step_).weights)) {
            continue;
        }
        const auto start = static_cast<std::int64_t>(image_.size());
        const std::int64_t span = span_of(*buffer);
        buffer->memory = Memory::arena;
        buffer->offset = start;
        image_.resize(static_cast<std::size_t>(round_up(start + span, alignment) + alignment),
                      std::numeric_limits<float>::quiet_NaN());
        // What is written and the margins stay as they are: what is not written shows.
        const bool is_gate = is_conv(step_) && i == arguments_of(step_).gate;
        for (std::int64_t at = start; at < start + span && !is_written(i); ++at) {
            image_[static_cast<std::size_t>(at)] = is_gate ? open(random) : draw(random);
        }
    }
    if (is_conv(step_)) {
        set_scales();
    }
}

/// To 1, since winograd_conv has them in its weights.
void LayerCase::set_scales() {
    const Buffer& epilogue = buffer_of(step_, arguments_of(step_).epilogue);
    const auto row = image_.begin() + epilogue.offset + epilogue.axes[1].stride;
    std::fill_n(row, epilogue.axes[0].extent, 1.0f);
}

Call::Call(const LayerCase& from, KernelFunction function, int block)
    : case_(from),
      kernel_(*from.step_.kernel),
      step_(packed_step(from.step_, block)),
      arena_(from.image_.size() * sizeof(float)),
      weights_(std::max(packed_bytes(step_, block), from.network_bytes_)) {
    kernel_.function = function;
    step_.kernel = &kernel_;
    const std::size_t bytes = packed_bytes(step_, block);
    if (bytes > 0) {
        pack(from.matrix_, step_, block, reinterpret_cast<float*>(weights_.data()));
    }
    const std::size_t copies = bytes > 0 ? weights_.size() / bytes : 1;
    for (std::size_t i = 0; i < copies; ++i) {
        std::byte* const copy = weights_.data() + i * bytes;
        if (i > 0) {
            std::memcpy(copy, weights_.data(), bytes);
        }
        bound_.emplace_back(step_, arena_.data(), copy, 0, step_.split.count);
    }
}

void Call::prepare(std::size_t load) {
    std::memcpy(arena_.data(), case_.image_.data(), case_.image_.size() * sizeof(float));
    const std::vector<std::uint32_t>& list = case_.loads_[load].list;
    entries_ = step_.list.argument >= 0 ? static_cast<std::int64_t>(list.size()) : 0;
    if (entries_ > 0) {
        const auto argument = static_cast<std::size_t>(step_.list.argument);
        const Buffer& buffer = std::get<Buffer>(step_.arguments[argument]);
        std::memcpy(arena_.data() + buffer.offset * 4, list.data(), list.size() * 4);
    }
    if (is_sparse(step_)) {
        write_pairs(case_.loads_[load]);
    }
}

/// As kernel_map does for a tile of `most_pixels`; which kernel pays is not read.
void Call::write_pairs(const Load& load) {
    const Buffer& to = buffer_of(step_, sparse_pairs);
    const std::int64_t row =
        buffer_of(step_, 0).axes[1].stride / std::int64_t{step_.kernel->as<PairsInfo>().channels};
    const std::int64_t width = buffer_of(step_, case_.output_argument()).axes[1].extent;
    const Pairs pairs = list_pairs(load.inputs, load.list, row);
    auto* const words = reinterpret_cast<std::uint32_t*>(arena_.data());
    std::uint32_t* count = words + buffer_of(step_, sparse_counts).offset;
    for (std::size_t tap = 0; tap < pairs.size(); ++tap) {
        std::uint32_t* first =
            words + to.offset + static_cast<std::int64_t>(tap) * to.axes[1].stride;
        std::fill_n(std::copy(pairs[tap].begin(), pairs[tap].end(), first), most_pixels,
                    static_cast<std::uint32_t>(width));
        *count++ = static_cast<std::uint32_t>(pairs[tap].size());
    }
    *count = static_cast<std::uint32_t>(count_pairs(pairs));
}

void Call::run() {
    BoundCall& call = bound_[next_];
    next_ = (next_ + 1) % bound_.size();
    if (entries_ > 0) {
        call.run_list(0, entries_);
    } else {
        call.run();
    }
}

std::string Call::check(std::size_t load) const {
    const std::vector<float>& wanted = case_.answers_[load];
    const std::span<const float> got = memory();
    const Buffer& output = std::get<Buffer>(step_.arguments[case_.output_argument()]);
    const auto first = static_cast<std::size_t>(output.offset);
    const auto last = first + static_cast<std::size_t>(span_of(output));
    double largest = 0;
    for (std::size_t i = first; i < last; ++i) {
        largest =
            std::isfinite(wanted[i]) ? std::max<double>(largest, std::abs(wanted[i])) : largest;
    }
    double worst = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (are_same_bits(got[i], wanted[i]) || case_.is_scratch(i)) {
            continue;
        }
        if (i < first || i >= last) {
            return "writes outside its output";
        }
        const double difference = std::abs(static_cast<double>(got[i]) - wanted[i]);
        if (!std::isfinite(difference)) {
            return std::isnan(wanted[i]) ? "writes where nothing is asked for"
                                         : "gives values that are not finite, or none";
        }
        worst = std::max(worst, difference);
    }
    const double tolerance =
        is_winograd(step_) ? benchmark::winograd_tolerance : benchmark::direct_tolerance;
    if (worst > tolerance * largest) {
        return "gives a wrong answer: off by " + std::to_string(worst) + " where the largest is " +
               std::to_string(largest);
    }
    return {};
}

}  // namespace sluice::autotune
