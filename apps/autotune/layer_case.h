#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "graph/aligned.h"
#include "plan/step.h"
#include "session/bind.h"

namespace sluice::autotune {

/// What a step computes in one call: all of it, or the entries of a list.
struct Load {
    /// Share of the map's positions, of its Winograd tiles, or of its pairs of an input and an
    /// output.
    double density = 1;
    /// y << 16 | x of positions, or row << 16 | column of tiles; empty where the step walks no
    /// list.
    std::vector<std::uint32_t> list;
    std::int64_t open = 0;  ///< positions that it stands for; sparse_conv: pairs
    std::vector<std::uint32_t> inputs =
        {};  ///< sparse_conv: positions that the layer before opened
};

/// A step of a plan with random values in memory of its own, laid out as in the plan, and the
/// answers of the kernel that the plan chose.
class LayerCase {
public:
    /// `network_bytes`: of the weights that a network runs through between two calls of the step.
    LayerCase(const Step& step, std::vector<Load> loads, unsigned seed,
              std::size_t network_bytes = 0);

    const Step& step() const { return step_; }
    /// To be timed, in the order of the constructor's.
    std::size_t timed_loads() const { return timed_; }
    /// To be checked: those, then a list of one position and others whose ends no tile divides.
    std::size_t checked_loads() const { return loads_.size(); }

private:
    friend class Call;
    void add_short_lists();
    void place(unsigned seed);
    void set_scales();
    void draw_weights(unsigned seed);
    void widen_pairs();
    bool is_written(std::size_t argument) const;
    bool is_scratch(std::size_t at) const;
    std::size_t output_argument() const { return step_.arguments.size() - 1; }

    Step step_;
    std::vector<Load> loads_;
    std::size_t timed_, network_bytes_;
    std::vector<float> image_;  ///< of the arena before a call
    /// Weights of a convolution, [k][y][x][c]; empty where packed.
    std::vector<float> matrix_;
    std::vector<std::vector<float>> answers_;  ///< the arena after a call, a load each
};

/// A kernel's call on a case. It goes round copies of the weights, as many as take up what those of
/// the network do, and so finds them where a network does: in a cache, or out of it.
class Call {
public:
    /// `block`: output channels that the kernel's weights are packed by; 0 leaves them as they are.
    Call(const LayerCase& from, KernelFunction function, int block);
    Call(const Call&) = delete;

    /// Brings the memory to its first state and chooses what `run` computes.
    void prepare(std::size_t load);
    void run();
    /// What is wrong with the memory after prepare(load) and run(); empty where nothing is: outputs
    /// as the plan's kernel gave them, up to the order of sums, and not a bit changed beside them.
    std::string check(std::size_t load) const;

    std::span<const float> memory() const {
        return {reinterpret_cast<const float*>(arena_.data()), case_.image_.size()};
    }

private:
    void write_pairs(const Load& load);

    const LayerCase& case_;
    Kernel kernel_;
    Step step_;
    AlignedMemory arena_, weights_;
    std::vector<BoundCall> bound_;  ///< a copy of the weights each
    std::size_t next_ = 0;
    std::int64_t entries_ = 0;  ///< of the list; 0: no list
};

}  // namespace sluice::autotune
