#include <algorithm>

#include "graph/aligned.h"
#include "plan/arrange.h"
#include "plan/conv/pack_weights.h"
#include "plan/conv/phases.h"
#include "plan/conv/way.h"
#include "plan/conv/winograd_weights.h"

/// Winograd's minimal filtering over a list of tiles of outputs, a quarter to a half of the
/// multiplications: 3x3 layers of stride 1, and of stride 2 by the phases of their input. A tile is
/// computed whole where any of its outputs is active.
namespace sluice {
namespace {

/// The one clamp that equals `act` and `post` of a node; none where both have to stand.
std::optional<Clamp> single_clamp(const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    if (conv.act.is_none()) {
        return conv.post;
    }
    const auto all = [](const std::vector<float>& values, auto is_such) {
        return std::all_of(values.begin(), values.end(), is_such);
    };
    const bool stands_last =
        node.inputs[2] == no_value && all(conv.shift, [](float shift) { return shift == 0; });
    // No gate is negative, and so a ReLU may follow it.
    const bool passes = conv.act.is_relu() ? all(conv.scale, [](float scale) { return scale >= 0; })
                                           : conv.gate == GateForm::none &&
                                                 all(conv.scale, [](float s) { return s == 1; });
    return stands_last && passes ? std::optional(compose(conv.act, conv.post)) : std::nullopt;
}

/// Rows of tiles that stay on one thread: the last two where they overlap.
std::int64_t rows_of_unit(std::int64_t rows, bool overlap) {
    std::int64_t unit = overlap ? 2 : 1;
    while (unit < rows && rows % unit == 1) {
        ++unit;
    }
    return unit;
}

/// Whether the kernel reads a copy of the input's phases instead of the input.
bool reads_copied_phases(const Kernel& kernel, const Convolution& c) {
    return kernel.as<WinogradInfo>().stride != c.conv.stride[0];
}

/// A sum over a tile's inputs spreads what is not finite to outputs that do not read it.
bool is_finite(const FusedConv& conv) {
    return all_finite(conv.weights->floats()) && all_finite(conv.bias);
}

/// Weights of more bytes than these come from beyond the L2 cache.
constexpr std::int64_t far_weights = std::int64_t{1} << 20;

/// As long as such a weight takes, the direct kernel computes so many products. Measured were 3
/// with weights from the L3 cache, and 16 and more from memory.
double products_per_far_weight(const Convolution& c) { return c.reads_memory ? 16 : 4; }

/// The time that Winograd's weights take more than the direct kernel's, which are fewer.
double weights_cost(const Convolution& c, const Kernel& kernel) {
    const auto& info = kernel.as<WinogradInfo>();
    const std::int64_t channels = winograd_depth(c);
    const std::int64_t points = winograd_points(info.side, info.taps);
    const bool is_far = points * channels * c.outputs * 4 > far_weights;
    const double per_product = double(points * channels) / double(c.macs_per_output());
    return is_far ? products_per_far_weight(c) * std::max(0.0, per_product - 1) : 0;
}

double tile_cost(const Kernel& kernel) {
    const auto& info = kernel.as<WinogradInfo>();
    return info.break_even * double(info.side) * double(info.side);
}

class Winograd final : public Way {
public:
    WayId id() const override { return WayId::winograd; }

    Found find(const Planner& planner, const Convolution& c) const override {
        if (!planner.options.winograd) {
            return {};
        }
        const Kernel* kernel = find_conv(planner, Algorithm::winograd_conv, c.gate_form, c.layer);
        if (const auto phases = kernel == nullptr ? over_phases(c) : std::nullopt) {
            kernel = find_conv(planner, Algorithm::winograd_conv, c.gate_form, *phases);
        }
        if (kernel == nullptr || (is_finite(c.conv) && single_clamp(c.node))) {
            return {kernel, {}};
        }
        return {nullptr, is_finite(c.conv)
                             ? "not by Winograd: a clamp stands before its gate, its scale or its "
                               "residual"
                             : "not by Winograd: its weights are not finite"};
    }

    Packed pack(Planner& planner, const Convolution& c, const Kernel& kernel,
                std::span<const Candidate> others) const override {
        Packed packed;
        packed.epilogue = pack_scaled_epilogue(planner.constants, c);
        const auto direct = std::find_if(others.begin(), others.end(), [](const Candidate& other) {
            return other.way->id() == WayId::direct;
        });
        if (direct != others.end() && can_share_taps(kernel, *direct->kernel)) {
            const SharedWeights shared = pack_taps_and_points(planner.constants, c, kernel);
            packed.taps = shared.taps;
            packed.weights = shared.points;
        } else {
            packed.weights = pack_points(planner.constants, c, kernel);
        }
        return packed;
    }

    Work all(Planner& planner, const Convolution& c, const Kernel& kernel) const override {
        const std::int64_t side = kernel.as<WinogradInfo>().side;
        Work work;
        work.list = planner.constants.all_positions(count_tiles(c.height(), side),
                                                    count_tiles(c.width(), side));
        work.static_count = work.list.axes[0].extent;
        return work;
    }

    Work active(Planner& planner, const Convolution& c, const Kernel& kernel,
                const GateLists& lists, std::span<const Cost>,
                std::vector<Step>& steps) const override {
        const std::int64_t side = kernel.as<WinogradInfo>().side;
        Work work;
        work.skipped_side = side;
        if (c.gate_shift > 0) {  // the gate has one value per tile: its positions are the tiles
            work.list = lists.active;
            work.count = lists.active_count;
            work.skipped = lists.skipped;
            work.skipped_count = lists.skipped_count;
            return work;
        }
        const TileLists& tiles =
            planner.scans.tiles(steps, c.node.name, lists, c.width(), c.height(), side);
        work.list = tiles.active;
        work.count = tiles.active_count;
        work.skipped = tiles.skipped;
        work.skipped_count = tiles.skipped_count;
        work.outputs = lists.active_count;
        return work;
    }

    double cost_of_all(const Convolution& c, const Kernel& kernel) const override {
        const std::int64_t side = kernel.as<WinogradInfo>().side;
        const std::int64_t tiles = count_tiles(c.height(), side) * count_tiles(c.width(), side);
        return weights_cost(c, kernel) + tile_cost(kernel) * double(tiles);
    }

    Cost cost(const Convolution& c, const Kernel& kernel, const Work& work) const override {
        return {weights_cost(c, kernel), tile_cost(kernel), work.count};
    }

    /// The last tiles of a map overlap those before where the side does not divide it, and the last
    /// chunk of a list computes its last tile again where it overhangs.
    bool computes_once(const Convolution&, const Kernel&) const override { return false; }

    Status emit(Planner& planner, const Convolution& c, const Candidate& candidate,
                const Work& work, const ChannelRange& range, const std::optional<Choice>& choice,
                std::vector<Step>& steps) const override;
};

/// Copies the input's phases side by side, as channels of a smaller image; returns where.
Result<Buffer> append_phases(Planner& planner, const Convolution& c, const Kernel& kernel,
                             const std::optional<Choice>& choice, std::vector<Step>& steps) {
    const PhaseCopy copy =
        copy_of_phases(planner, c, kernel.as<WinogradInfo>().taps, winograd_depth(c));
    SLUICE_RETURN_IF_ERROR(append(steps, copy_step(planner, c.node, copy.from, copy.to)));
    steps.back().choice = choice;
    return copy.phases;
}

/// How threads share out a list of tiles: by rows of tiles that do not overlap where all are there,
/// and by output channels where tiles may share outputs, because each tile rounds those in its own
/// way, or where each thread had better read a part of the weights.
void split_tiles(Step& step, const Convolution& c, const ChannelRange& range,
                 const Kernel& kernel) {
    const std::int64_t side = kernel.as<WinogradInfo>().side, block = kernel.block();
    const std::int64_t rows = count_tiles(c.height(), side);
    const bool overlaps = c.height() % side != 0 || c.width() % side != 0;
    step.list.tile = kernel.as<WinogradInfo>().pixels;
    if (splits_weights(step, range.count / block) || (overlaps && step.list.static_count < 0)) {
        step.split =
            split_channels<WinogradConvCall<Buffer>>(c, range, block, 4, block / kernel.lanes);
    } else if (overlaps) {
        step.list.tile = count_tiles(c.width(), side) * rows_of_unit(rows, c.height() % side != 0);
    }
}

Status Winograd::emit(Planner& planner, const Convolution& c, const Candidate& candidate,
                      const Work& work, const ChannelRange& range,
                      const std::optional<Choice>& choice, std::vector<Step>& steps) const {
    const Kernel& kernel = *candidate.kernel;
    const auto& info = kernel.as<WinogradInfo>();
    Buffer input = c.input;
    std::int64_t channel_stride = c.channel_stride;
    if (reads_copied_phases(kernel, c)) {
        const auto phases = append_phases(planner, c, kernel, choice, steps);
        if (!phases.ok()) {
            return phases.status();
        }
        input = phases.value();
        channel_stride = winograd_depth(c);
    }
    // First, because an active tile writes all of its outputs, and the last ones overlap.
    append_fill(planner, c, candidate.packed, work, range, choice, steps);
    const Clamp clamp = *single_clamp(c.node);
    using Call = WinogradConvCall<Buffer>;
    Step step = conv_step(c, candidate, work, choice);
    set_call(step,
             Call{.input = input,
                  .tiles = work.list,
                  .weights = blocks_of(candidate.packed.weights, range, kernel.lanes),
                  .epilogue = from_channel(candidate.packed.epilogue, range.first, range.count),
                  .gate = c.gate,
                  .residual = from_channel(c.residual, range.first, range.count),
                  .gate_shift = c.gate_shift,
                  .channel_stride = std::int32_t(channel_stride),
                  .post_low = clamp.low,
                  .post_high = clamp.high,
                  .output = from_channel(c.output, range.first, range.count)});
    const std::int64_t per_position = range.channels * c.macs_per_output();
    step.packed_bytes = range.count * winograd_depth(c) * winograd_points(info.side, info.taps) * 4;
    // A quarter of the multiplications, or about half.
    step.work = 2 * range.count * c.macs_per_output() * c.positions() / info.side;
    step.list.argument = index_of(&Call::tiles);
    split_tiles(step, c, range, kernel);
    if (work.static_count >= 0) {
        step.macs = per_position * c.positions();
    } else if (work.outputs) {
        step.macs_per_entry = per_position;
    } else {
        // Tiles at the ends of the map may reach beyond it: each stands for an equal share of it.
        step.macs_per_entry =
            per_position * c.positions() /
            (count_tiles(c.height(), info.side) * count_tiles(c.width(), info.side));
    }
    steps.push_back(std::move(step));
    return {};
}

}  // namespace

const Way& winograd_way() {
    static const Winograd way;
    return way;
}

}  // namespace sluice
