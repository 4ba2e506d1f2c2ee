#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "plan/alternatives.h"
#include "session/runner.h"

/// What compares the kernels of single layers, and times them.
namespace sluice::apps {

/// Of the largest value, how far a kernel's answer may be from the scalar one: float sums of 4608
/// products, in any order; and Winograd's, whose transforms multiply the rounding about tenfold. Of
/// bytes nothing: their sums are exact, and each rounding is defined.
inline constexpr double direct_tolerance = 1e-4;
inline constexpr double winograd_tolerance = 1e-3;
double tolerance_of(const Kernel& kernel);

/// The largest difference of two answers, of the largest value of `wanted`; infinite where one of
/// them has a finite value and the other has not.
double difference(std::span<const float> got, std::span<const float> wanted);

/// What a layer's call writes: (channel, x, y) of a convolution's.
Buffer output_of(const Step& call);

/// What a layer gives.
struct Answer {
    /// NCHW, of bytes their numbers; where nothing was written NaN, or of bytes always the same
    /// one.
    std::vector<float> values;
    bool writes_outside = false;  ///< the kernel, of its outputs
};

/// The values of a gate, as many as it has in one image: 0 where it skips.
using Gate = std::vector<float>;

/// A layer planned by itself, with memory and inputs of its own.
class LayerRun {
public:
    static constexpr std::int64_t all = std::numeric_limits<std::int64_t>::max();

    /// Inputs and active gates are drawn from `seed`. `run` goes round copies of the weights that
    /// together weigh `weight_bytes` at most, and so finds them where a network with as many does:
    /// in a cache, or out of it.
    LayerRun(Alternative layer, unsigned seed, std::size_t weight_bytes = 0);

    const Alternative& layer() const { return layer_; }
    /// Of the plan's input of this number, NCHW; empty where the input is bytes, or is none.
    std::span<float> input(std::size_t number) { return inputs_[number].floats; }
    std::span<std::uint8_t> byte_input(std::size_t number) { return inputs_[number].bytes; }
    /// Sets the inputs that are gates, in order.
    void set_gates(std::span<const Gate* const> gates);

    /// Runs all that comes before the kernel's call, which then walks `most` entries of its list.
    void prepare(std::int64_t most = all);
    /// Calls the kernel once.
    void run();
    /// Prepares in fresh memory, calls the kernel, and takes its answer.
    Answer compute(std::int64_t most = all);
    /// Prepares, and returns the milliseconds of what only pairs need: to count and to list them.
    double time_pair_lists();

    /// Of the call that is prepared: entries of its list, and what they stand for: outputs of each
    /// channel, or pairs.
    std::int64_t entries() const { return entries_; }
    std::int64_t outputs() const;
    std::int64_t macs() const;

private:
    /// An input or an output: floats or bytes.
    struct Values {
        std::vector<float> floats;
        std::vector<std::uint8_t> bytes;
        explicit Values(const TensorInfo& tensor);
        const void* data() const;
    };

    void clear();
    std::size_t first_write() const;
    void count_entries(std::int64_t most);
    const std::int32_t* counter(const Buffer& buffer) const {
        return reinterpret_cast<const std::int32_t*>(arena_) + buffer.offset;
    }

    Alternative layer_;
    AlignedMemory memory_;  ///< the arena, and a margin on either side of it
    std::byte* arena_;
    AlignedMemory weights_;
    Runner runner_;
    std::vector<Values> inputs_;
    Values output_;
    std::vector<std::vector<BoundCall>> calls_;  ///< of each copy of the weights
    std::size_t next_ = 0;
    std::int64_t entries_ = 0;
};

}  // namespace sluice::apps
