#include <algorithm>
#include <limits>

#include "graph/aligned.h"
#include "kernels/list_layout.h"
#include "plan/conv/constant_input.h"
#include "plan/conv/pack_weights.h"
#include "plan/conv/way.h"

/// Where a gate has left the input constant in places: only the products of an active input and an
/// active output are computed, per tap. The rest is known when the plan is made.
namespace sluice {
namespace {

/// Work::tables, in this order: what pair_count writes, and the masks of the output's gate.
enum Table : std::size_t { counts, around, before, masks };

/// The direct kernel's weights (k % lanes, value of a run, run, ky, k / lanes) of one run.
Buffer in_one_run(Buffer weights) {
    weights.axes.erase(weights.axes.begin() + 2);
    return weights;
}

class Pairs final : public Way {
public:
    WayId id() const override { return WayId::pairs; }

    Found find(const Planner& planner, const Convolution& c) const override {
        if (c.conv.gate != GateForm::position ||
            planner.scans.gated_value(c.node.inputs[0]) == nullptr) {
            return {};
        }
        return {find_conv(planner, Algorithm::sparse_conv, GateForm::position, c.layer), {}};
    }

    Packed pack(Planner& planner, const Convolution& c, const Kernel& kernel,
                std::span<const Candidate> others) const override {
        for (const Candidate& other : others) {
            if (other.way->id() == WayId::direct && other.kernel->lanes == kernel.lanes) {
                return {.weights = in_one_run(other.packed.weights),
                        .epilogue = other.packed.epilogue};
            }
        }
        return {.weights = in_one_run(pack_taps(planner.constants, c, kernel)),
                .epilogue = pack_epilogue(planner.constants, c)};
    }

    Work all(Planner&, const Convolution&, const Kernel&) const override { return {}; }

    Work active(Planner& planner, const Convolution& c, const Kernel& kernel,
                const GateLists& lists, std::span<const Cost> others,
                std::vector<Step>& steps) const override;

    double cost_of_all(const Convolution&, const Kernel&) const override { return no_cost; }

    Cost cost(const Convolution&, const Kernel& kernel, const Work& work) const override {
        const double pair = 1 / (double(pair_taps) * kernel.as<PairsInfo>().break_even);
        return {0, pair, work.outputs};
    }

    bool computes_once(const Convolution&, const Kernel&) const override { return true; }

    Status emit(Planner& planner, const Convolution& c, const Candidate& candidate,
                const Work& work, const ChannelRange& range, const std::optional<Choice>& choice,
                std::vector<Step>& steps) const override;
};

/// Counts the pairs of each tap.
Work Pairs::active(Planner& planner, const Convolution& c, const Kernel& kernel,
                   const GateLists& lists, std::span<const Cost> others,
                   std::vector<Step>& steps) const {
    const std::int64_t per_row = round_up(c.width(), mask_bits) / mask_bits;
    const std::int64_t groups = per_row * c.height() + 1;
    const auto i32 = halide_type_of<std::int32_t>();
    const GateLists& from = planner.scans.gated_value(c.node.inputs[0])->lists;
    Work work;
    work.tables = {
        planner.arena.scratch(pair_taps + 1, i32, {{pair_taps + 1, 1}}),
        planner.arena.scratch(per_row * (c.height() + 2), i32,
                              {{per_row, 1}, {c.height() + 2, per_row}}),
        planner.arena.scratch(pair_taps * groups, i32, {{pair_taps, 1}, {groups, pair_taps}}),
        lists.masks};
    work.list = lists.active;
    work.count = lists.active_count;
    work.outputs = entry_of(work.tables[counts], pair_taps);
    work.skipped = lists.skipped;
    work.skipped_count = lists.skipped_count;

    // Where pairs are the only way, they are counted whatever they cost.
    const Cost alone{0, std::numeric_limits<float>::max(), work.count};
    const Cost first = others.empty() ? alone : others[0];
    const Cost second = others.size() > 1 ? others[1] : first;
    Step step;
    step.kernel = planner.kernel(Algorithm::pair_count);
    step.node = c.node.name;
    step.shape = map_shape(c.width(), c.height());
    set_call(step, PairCountCall<Buffer>{.from = from.masks,
                                         .to = lists.masks,
                                         .from_count = from.active_count,
                                         .to_count = lists.active_count,
                                         .width = std::int32_t(c.width()),
                                         .height = std::int32_t(c.height()),
                                         .pair_cost = float(cost(c, kernel, work).rate),
                                         .first_cost = float(first.rate),
                                         .second_count = *second.count,
                                         .second_cost = float(second.rate),
                                         .counts = work.tables[counts],
                                         .around = work.tables[around],
                                         .before = work.tables[before]});
    steps.push_back(std::move(step));
    return work;
}

/// Lists the pairs that active() has counted: (pair, tap).
Buffer append_map(Planner& planner, const Convolution& c, const Kernel& kernel, const Work& work,
                  const std::optional<Choice>& choice, std::vector<Step>& steps) {
    const std::int64_t pixels = kernel.as<PairsInfo>().pixels;
    const std::int64_t capacity = c.positions() + std::max<std::int64_t>(pixels, mask_bits);
    const Buffer pairs =
        planner.arena.scratch(pair_taps * capacity, halide_type_of<std::uint32_t>(),
                              {{capacity, 1}, {pair_taps, capacity}});
    Step step;
    step.kernel = planner.kernel(Algorithm::kernel_map);
    step.node = c.node.name;
    step.shape = map_shape(c.width(), c.height());
    step.choice = choice;
    set_call(step,
             KernelMapCall<Buffer>{.to = work.tables[masks],
                                   .counts = work.tables[counts],
                                   .around = work.tables[around],
                                   .before = work.tables[before],
                                   .width = std::int32_t(c.width()),
                                   .height = std::int32_t(c.height()),
                                   .row = std::int32_t(c.input.axes[1].stride / c.channel_stride),
                                   .pixels = std::int32_t(pixels),
                                   .pairs = pairs});
    steps.push_back(std::move(step));
    return pairs;
}

Status Pairs::emit(Planner& planner, const Convolution& c, const Candidate& candidate,
                   const Work& work, const ChannelRange& range, const std::optional<Choice>& choice,
                   std::vector<Step>& steps) const {
    const Kernel& kernel = *candidate.kernel;
    const std::int64_t block = kernel.block();
    const GatedValue& input = *planner.scans.gated_value(c.node.inputs[0]);
    append_fill(planner, c, candidate.packed, work, range, choice, steps);
    const Buffer pairs = append_map(planner, c, kernel, work, choice, steps);

    const ConstantPart constant = convolve_constant(c.conv, input.skipped, c.outputs);
    const std::int64_t pixels = c.input.axes[1].stride / c.channel_stride * c.height();
    using Call = SparseConvCall<Buffer>;
    Step step = conv_step(c, candidate, work, choice);
    set_call(step,
             Call{.input = c.input,
                  .positions = work.list,
                  .pairs = pairs,
                  .counts = work.tables[counts],
                  .weights = candidate.packed.weights,
                  .borders = planner.constants.add_floats(
                      constant.borders,
                      {{c.outputs, 1}, {map_sides, c.outputs}, {map_sides, map_sides * c.outputs}}),
                  .skipped = planner.constants.add_floats(constant.products,
                                                          {{c.outputs, 1}, {pair_taps, c.outputs}}),
                  .epilogue = candidate.packed.epilogue,
                  .gate = c.gate,
                  .residual = c.residual,
                  .act_low = c.conv.act.low,
                  .act_high = c.conv.act.high,
                  .post_low = c.conv.post.low,
                  .post_high = c.conv.post.high,
                  .sums = planner.arena.scratch(
                      c.outputs * pixels, halide_type_of<float>(),
                      {{block, 1}, {pixels, block}, {c.outputs / block, block * pixels}}),
                  .output = c.output});
    step.packed_bytes = pair_taps * c.channel_stride * c.outputs * 4;
    step.work = 2 * c.outputs * c.macs_per_output() * c.positions();
    // Threads share out channels, since a part of the outputs has pairs in every tap's list.
    step.split = {c.outputs / block,
                  {along(&Call::weights, 3, block / kernel.lanes), along(&Call::borders, 0, block),
                   along(&Call::skipped, 0, block), along(&Call::epilogue, 0, block),
                   along(&Call::residual, 0, block), along(&Call::sums, 2, 1),
                   along(&Call::output, 0, block)},
                  -1};
    step.list.argument = index_of(&Call::positions);
    step.list.tile = kernel.as<PairsInfo>().pixels;
    step.macs_per_entry = c.channels() * c.macs_per_output() / pair_taps;
    step.remark = "where few pairs of an active input and an active output are left";
    steps.push_back(std::move(step));
    return {};
}

}  // namespace

const Way& pairs_way() {
    static const Pairs way;
    return way;
}

}  // namespace sluice
