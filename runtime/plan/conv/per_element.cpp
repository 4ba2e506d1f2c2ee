#include "graph/aligned.h"
#include "kernels/list_layout.h"
#include "plan/arrange.h"
#include "plan/conv/pack_weights.h"
#include "plan/conv/way.h"

/// A dot product for every active element of a per-element gate, where few are active.
namespace sluice {
namespace {

Step scan_step(const Planner& planner, const Convolution& c, Algorithm algorithm,
               const std::optional<Choice>& choice) {
    Step step;
    step.kernel = planner.kernel(algorithm);
    step.node = c.node.name;
    step.shape = c.shape;
    step.choice = choice;
    return step;
}

/// The gates of the channels, without the lanes beside them.
Buffer gates_of(const Convolution& c) { return from_channel(c.gate, 0, c.channels()); }

class PerElement final : public Way {
public:
    WayId id() const override { return WayId::per_element; }

    Found find(const Planner& planner, const Convolution& c) const override {
        if (c.gate_form != GateForm::element) {
            return {};
        }
        if (!c.conv.is_plain()) {
            return {nullptr, "multiplied densely: it has groups or dilation"};
        }
        const Kernel* kernel = find_conv(planner, Algorithm::dot_conv, c.gate_form, c.layer);
        return {kernel, kernel != nullptr
                            ? ""
                            : "multiplied densely: its input has no lanes beside its channels"};
    }

    Packed pack(Planner& planner, const Convolution& c, const Kernel&,
                std::span<const Candidate>) const override {
        return {.weights = pack_rows(planner.constants, c.conv, c.channel_stride),
                .epilogue = pack_epilogue(planner.constants, c)};
    }

    Work all(Planner&, const Convolution&, const Kernel&) const override { return {}; }

    /// Counts the active elements; emit() lists them.
    Work active(Planner& planner, const Convolution& c, const Kernel&, const GateLists&,
                std::span<const Cost>, std::vector<Step>& steps) const override {
        Buffer gates = gates_of(c);
        arrange_dense({&gates});
        const Buffer count = planner.arena.scratch(1, halide_type_of<std::int32_t>(), {});
        Step step = scan_step(planner, c, Algorithm::open_count, {});
        set_call(step, OpenCountCall<Buffer>{.gate = gates, .count = count});
        steps.push_back(std::move(step));
        Work work;
        work.outputs = count;
        work.skipped = planner.constants.all_positions(c.height(), c.width());
        work.skipped_static_count = c.positions();
        return work;
    }

    double cost_of_all(const Convolution&, const Kernel&) const override { return no_cost; }

    Cost cost(const Convolution& c, const Kernel& kernel, const Work& work) const override {
        const double elements_per_position = kernel.as<DotInfo>().break_even * double(c.channels());
        return {0, 1 / elements_per_position, work.outputs};
    }

    /// An output whose gates are in part active is filled first.
    bool computes_once(const Convolution&, const Kernel&) const override { return false; }

    Status emit(Planner& planner, const Convolution& c, const Candidate& candidate,
                const Work& work, const ChannelRange& range, const std::optional<Choice>& choice,
                std::vector<Step>& steps) const override;
};

/// What a scan of the gates lists.
struct ElementLists {
    Buffer tiles;  ///< (tile, element, row), as dot_conv reads it
    Buffer tile_count;
};

ElementLists append_lists(Planner& planner, const Convolution& c, std::int64_t tile,
                          const std::optional<Choice>& choice, std::vector<Step>& steps) {
    const Buffer gates = gates_of(c);
    const std::int64_t capacity = c.positions() * round_up(c.channels(), tile) + element_entries;
    const std::int64_t groups = round_up(c.channels(), mask_bits) / mask_bits * c.positions() + 1;
    const auto u32 = halide_type_of<std::uint32_t>();
    const auto i32 = halide_type_of<std::int32_t>();
    ElementLists lists{planner.arena.scratch(2 * capacity, u32, {{capacity, 1}, {2, capacity}}),
                       planner.arena.scratch(1, i32, {})};
    Step step = scan_step(planner, c, Algorithm::elements, choice);
    set_call(step, ElementsCall<Buffer>{
                       .gate = gates,
                       .tile = std::int32_t(tile),
                       .list = lists.tiles,
                       .tiles = lists.tile_count,
                       .groups = planner.arena.scratch(2 * groups, i32, {{2, 1}, {groups, 2}})});
    steps.push_back(std::move(step));
    lists.tiles.axes = {{capacity / tile, tile}, {tile, 1}, {2, capacity}};
    return lists;
}

Status PerElement::emit(Planner& planner, const Convolution& c, const Candidate& candidate,
                        const Work& work, const ChannelRange& range,
                        const std::optional<Choice>& choice, std::vector<Step>& steps) const {
    append_fill(planner, c, candidate.packed, work, range, choice, steps);
    const ElementLists lists =
        append_lists(planner, c, candidate.kernel->as<DotInfo>().elements, choice, steps);
    const Buffer& weights = candidate.packed.weights;
    using Call = DotConvCall<Buffer>;
    Step step = conv_step(c, candidate, work, choice);
    auto call = window_call<Call>(c, candidate.packed, range);
    call.list = lists.tiles;
    call.weights = weights;
    set_call(step, call);
    step.packed_bytes = weights.axes[2].extent * weights.axes[2].stride * 4;
    step.list.argument = index_of(&Call::list);
    step.list.count = lists.tile_count;
    step.work = 2 * c.outputs * c.macs_per_output() * c.positions();
    step.macs_per_entry = c.macs_per_output();
    steps.push_back(std::move(step));
    return {};
}

}  // namespace

const Way& per_element_way() {
    static const PerElement way;
    return way;
}

}  // namespace sluice
