#include "common/layer_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <random>
#include <utility>

namespace sluice::apps {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t margin = 2 * memory_alignment;
constexpr float not_written = std::numeric_limits<float>::quiet_NaN();
constexpr std::byte byte_not_written{0xa5};

std::size_t elements_of(const TensorInfo& tensor) {
    std::size_t count = 1;
    for (std::size_t axis = 1; axis < tensor.shape.size(); ++axis) {
        count *= std::size_t(tensor.shape[axis].size);
    }
    return count;
}

/// What a call may write: its output, and of pairs the sums before it.
std::vector<Buffer> writes_of(const Step& call) {
    std::vector<Buffer> writes = {output_of(call)};
    if (call.kernel->algorithm == Algorithm::sparse_conv) {
        writes.push_back(call_of<SparseConvCall>(call).sums);
    }
    return writes;
}

/// visit(place) for each element of a buffer, in bytes from where its memory begins.
template <typename Visit>
void for_each_place(const Buffer& buffer, Visit visit) {
    std::vector<std::int64_t> places = {buffer.offset};
    for (const Axis& axis : buffer.axes) {
        const std::size_t count = places.size();
        for (std::int64_t i = 1; i < axis.extent; ++i) {
            for (std::size_t j = 0; j < count; ++j) {
                places.push_back(places[j] + i * axis.stride);
            }
        }
    }
    for (const std::int64_t place : places) {
        visit(place * buffer.type.bytes());
    }
}

/// As many copies as weigh `bytes`; one where that is not more than the weights.
std::size_t count_copies(const Step& call, std::size_t bytes) {
    return call.packed_bytes > 0 ? std::max<std::size_t>(1, bytes / std::size_t(call.packed_bytes))
                                 : 1;
}

}  // namespace

double tolerance_of(const Kernel& kernel) {
    if (kernel.type == ElementType::uint8) {
        return 0;
    }
    return kernel.algorithm == Algorithm::winograd_conv ? winograd_tolerance : direct_tolerance;
}

double difference(std::span<const float> got, std::span<const float> wanted) {
    double largest = 0, worst = got.size() == wanted.size() ? 0 : INFINITY;
    for (std::size_t i = 0; i < std::min(got.size(), wanted.size()); ++i) {
        if (std::isfinite(got[i]) != std::isfinite(wanted[i])) {
            return INFINITY;
        }
        if (std::isfinite(wanted[i])) {
            largest = std::max<double>(largest, std::abs(wanted[i]));
            worst = std::max(worst, std::abs(double(got[i]) - wanted[i]));
        }
    }
    return largest > 0 ? worst / largest : worst;
}

Buffer output_of(const Step& call) {
    switch (call.kernel->algorithm) {
        case Algorithm::gated_conv:
            return call_of<GatedConvCall>(call).output;
        case Algorithm::depthwise_conv:
            return call_of<DepthwiseConvCall>(call).output;
        case Algorithm::winograd_conv:
            return call_of<WinogradConvCall>(call).output;
        case Algorithm::dot_conv:
            return call_of<DotConvCall>(call).output;
        case Algorithm::sparse_conv:
            return call_of<SparseConvCall>(call).output;
        case Algorithm::branch:
            return call_of<BranchCall>(call).output;
        case Algorithm::int8_conv:
            return call_of<Int8ConvCall>(call).output;
        case Algorithm::int8_staged_conv:
            return call_of<Int8StagedConvCall>(call).output;
        case Algorithm::int8_float_conv:
            return call_of<Int8FloatConvCall>(call).output;
        case Algorithm::int8_depthwise:
            return call_of<Int8DepthwiseCall>(call).output;
        case Algorithm::int8_staged_depthwise:
            return call_of<Int8StagedDepthwiseCall>(call).output;
        case Algorithm::int8_float_depthwise:
            return call_of<Int8FloatDepthwiseCall>(call).output;
        case Algorithm::int8_branch:
            return call_of<Int8BranchCall>(call).output;
        default:
            return call_of<LinearCall>(call).output;
    }
}

LayerRun::Values::Values(const TensorInfo& tensor) {
    if (tensor.type == DataType::float32) {
        floats.resize(elements_of(tensor));
    } else {
        bytes.resize(elements_of(tensor));
    }
}

const void* LayerRun::Values::data() const {
    return bytes.empty() ? static_cast<const void*>(floats.data()) : bytes.data();
}

LayerRun::LayerRun(Alternative layer, unsigned seed, std::size_t weight_bytes)
    : layer_(std::move(layer)),
      memory_(margin + layer_.plan->arena_bytes + margin),
      arena_(memory_.data() + margin),
      runner_(*layer_.plan, arena_, nullptr, {}),
      output_(layer_.plan->outputs[0]) {
    const Plan& plan = *layer_.plan;
    for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
        // Each input's own, so that two ways of the same layer read the same values.
        std::mt19937 random(seed + unsigned(plan.inputs.size() - i));
        std::uniform_real_distribution<float> draw(layer_.gated[i].empty() ? -1.0F : 0.1F, 1);
        Values& values = inputs_.emplace_back(plan.inputs[i]);
        std::generate(values.floats.begin(), values.floats.end(), [&] { return draw(random); });
        std::generate(values.bytes.begin(), values.bytes.end(),
                      [&] { return std::uint8_t(random() & 0xff); });
        runner_.point_at(Memory::input, int(i), values.data());
    }
    runner_.point_at(Memory::output, 0, output_.data());
    const Step& call = layer_.call();
    const std::size_t copies = count_copies(call, weight_bytes), bytes = plan.constants.size();
    weights_ = AlignedMemory(copies > 1 ? copies * bytes : 0);
    for (std::size_t i = 0; i < copies; ++i) {
        const std::byte* constants = plan.constants.data();
        if (copies > 1) {
            std::byte* const copy = weights_.data() + i * bytes;
            std::memcpy(copy, constants, bytes);
            constants = copy;
        }
        const std::int64_t units = call.split.count;
        calls_.push_back(bind_calls(call, arena_, constants, 0, units, call.split.calls_of(1)));
    }
    clear();
}

void LayerRun::set_gates(std::span<const Gate* const> gates) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < inputs_.size() && next < gates.size(); ++i) {
        if (!layer_.gated[i].empty()) {
            std::copy(gates[next]->begin(), gates[next]->end(), inputs_[i].floats.begin());
            ++next;
        }
    }
}

/// As a session begins.
void LayerRun::clear() {
    std::memset(memory_.data(), 0, memory_.size());
    write_presets(layer_.plan->presets, arena_);
}

void LayerRun::count_entries(std::int64_t most) {
    const ListUse& list = layer_.call().list;
    entries_ = list.argument < 0        ? 0
               : list.static_count >= 0 ? list.static_count
                                        : std::int64_t{*counter(list.count)};
    entries_ = std::min(entries_, most);
}

void LayerRun::prepare(std::int64_t most) {
    runner_.run_steps(0, layer_.step);
    count_entries(most);
}

void LayerRun::run() {
    std::vector<BoundCall>& calls = calls_[next_];
    next_ = (next_ + 1) % calls_.size();
    for (BoundCall& call : calls) {
        if (layer_.call().list.argument < 0) {
            call.run();
        } else if (entries_ > 0) {
            call.run_list(0, entries_);
        }
    }
}

std::int64_t LayerRun::outputs() const {
    const std::optional<Buffer>& count = layer_.call().list.outputs;
    return count && entries_ > 0 ? std::int64_t{*counter(*count)} : entries_;
}

std::int64_t LayerRun::macs() const {
    return layer_.call().macs + outputs() * layer_.call().macs_per_entry;
}

/// The step that writes the output first: the kernel's own, or what fills skipped outputs.
std::size_t LayerRun::first_write() const {
    const std::vector<Step>& steps = layer_.plan->steps;
    const auto writes = [&](const Step& step) {
        const Algorithm algorithm = step.kernel->algorithm;
        return step.node == layer_.call().node &&
               (algorithm == Algorithm::fill || algorithm == Algorithm::int8_fill ||
                algorithm == Algorithm::int8_copy || step.kernel == &layer_.kernel());
    };
    std::size_t first = 0;
    while (first < layer_.step && !writes(steps[first])) {
        ++first;
    }
    return first;
}

Answer LayerRun::compute(std::int64_t most) {
    clear();
    const std::size_t first = first_write();
    runner_.run_steps(0, first);
    const std::vector<Buffer> writes = writes_of(layer_.call());
    for_each_place(writes[0], [&](std::int64_t place) {
        if (writes[0].type.bytes() == 1) {
            arena_[place] = byte_not_written;
        } else {
            std::memcpy(arena_ + place, &not_written, sizeof not_written);
        }
    });
    runner_.run_steps(first, layer_.step);
    count_entries(most);
    std::vector<std::byte> before(memory_.data(), memory_.data() + memory_.size());
    run();
    for (const Buffer& buffer : writes) {
        for_each_place(buffer, [&](std::int64_t place) {
            std::memcpy(before.data() + margin + place, arena_ + place,
                        std::size_t(buffer.type.bytes()));
        });
    }
    Answer answer;
    answer.writes_outside = std::memcmp(before.data(), memory_.data(), memory_.size()) != 0;
    runner_.run_steps(layer_.step + 1, layer_.plan->steps.size());
    answer.values = output_.floats;
    answer.values.insert(answer.values.end(), output_.bytes.begin(), output_.bytes.end());
    return answer;
}

double LayerRun::time_pair_lists() {
    double milliseconds = 0;
    for (std::size_t i = 0; i < layer_.step; ++i) {
        const Algorithm algorithm = layer_.plan->steps[i].kernel->algorithm;
        const auto start = Clock::now();
        runner_.run_steps(i, i + 1);
        const std::chrono::duration<double, std::milli> elapsed = Clock::now() - start;
        const bool counts =
            algorithm == Algorithm::pair_count || algorithm == Algorithm::kernel_map;
        milliseconds += counts ? elapsed.count() : 0;
    }
    return milliseconds;
}

}  // namespace sluice::apps
