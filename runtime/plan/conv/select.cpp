#include "plan/conv/select.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "plan/conv/pack_weights.h"
#include "plan/conv/skipped_outputs.h"

namespace sluice {
namespace {

/// Whether the planner's options let a way compute layers where it can; the direct one and those of
/// quantised layers, which have no other, may always.
bool may_take(const Planner& planner, const Way& way) {
    return !planner.options.only || way.id() == WayId::direct || way.id() == WayId::int8 ||
           way.id() == WayId::int8_depthwise || planner.options.only == way.id();
}

/// Whether a way takes a layer whatever it costs.
bool must_take(const Planner& planner, const Way& way) { return planner.options.only == way.id(); }

/// Adds the way to the candidates where it computes the layer.
bool add(const Planner& planner, const Convolution& c, const Way& way, Candidates& candidates) {
    if (!may_take(planner, way)) {
        return false;
    }
    const Found found = way.find(planner, c);
    if (candidates.why_not.empty()) {
        candidates.why_not = found.why_not;
    }
    if (found.kernel != nullptr) {
        candidates.ways.push_back({&way, found.kernel, {}, {}});
    }
    return found.kernel != nullptr;
}

/// What computes a layer at any density.
const Way& list_way(const Planner& planner, const Convolution& c) {
    if (c.conv.is_quantised()) {
        return c.conv.groups > 1 ? int8_depthwise_way() : int8_way();
    }
    const Way& special = c.conv.groups > 1 ? depthwise_way() : linear_way();
    const bool is_such = may_take(planner, special) && special.find(planner, c).kernel != nullptr;
    return is_such ? special : direct_way();
}

/// Adds Winograd's kernel where it takes less time than the direct one for all outputs: with fewer
/// active it hardly gains, because its tiles hold active positions for the most part.
void add_winograd(Planner& planner, const Convolution& c, Candidates& candidates) {
    const Way &direct = direct_way(), &winograd = winograd_way();
    if (c.conv.is_quantised() || !add(planner, c, winograd, candidates)) {
        return;
    }
    const Kernel& kernel = *candidates.ways.back().kernel;
    const bool pays = winograd.cost_of_all(c, kernel) < direct.cost_of_all(c, kernel);
    if (!pays && !must_take(planner, winograd)) {
        candidates.ways.pop_back();
    }
}

/// The candidates that the options ask for alone, where they are there.
void keep_only(const Planner& planner, Candidates& candidates) {
    const auto is_asked = [&](const Candidate& way) { return must_take(planner, *way.way); };
    if (std::any_of(candidates.ways.begin(), candidates.ways.end(), is_asked)) {
        std::erase_if(candidates.ways, [&](const Candidate& way) { return !is_asked(way); });
    }
}

/// Winograd's first, because its weights may hold the direct kernel's; pairs read those.
void pack(Planner& planner, const Convolution& c, Candidates& candidates) {
    const auto pack_if = [&](auto is_such) {
        for (Candidate& candidate : candidates.ways) {
            if (is_such(candidate.way->id())) {
                candidate.packed =
                    candidate.way->pack(planner, c, *candidate.kernel, candidates.ways);
            }
        }
    };
    pack_if([](WayId id) { return id == WayId::winograd; });
    pack_if([](WayId id) { return id != WayId::winograd; });
}

/// The number that a run writes for a candidate is its place among them.
Buffer append_selection(Planner& planner, const Convolution& c, std::span<const Cost> costs,
                        std::vector<Step>& steps) {
    const Buffer chosen = planner.arena.scratch(1, halide_type_of<std::int32_t>(), {});
    // In units of the first way's count, so that comparing two counts is exact.
    const double unit = costs[0].rate;
    const Buffer& any_count = *costs[0].count;
    const auto cost = [&](std::size_t i) {
        return i < costs.size() ? costs[i] : Cost{std::numeric_limits<double>::infinity(), 0, {}};
    };
    const auto count = [&](std::size_t i) {
        return entry_of(cost(i).count ? *cost(i).count : any_count, 0);
    };
    Step step;
    step.kernel = planner.kernel(Algorithm::select_way);
    step.node = c.node.name;
    step.shape = c.shape;
    set_call(step, SelectWayCall<Buffer>{.first_count = count(0),
                                         .second_count = count(1),
                                         .third_count = count(2),
                                         .first_fixed = float(cost(0).fixed / unit),
                                         .first_rate = float(cost(0).rate / unit),
                                         .second_fixed = float(cost(1).fixed / unit),
                                         .second_rate = float(cost(1).rate / unit),
                                         .third_fixed = float(cost(2).fixed / unit),
                                         .third_rate = float(cost(2).rate / unit),
                                         .chosen = chosen});
    steps.push_back(std::move(step));
    return chosen;
}

/// When dot products, the first way, or all outputs are computed.
std::string element_remark(const Convolution& c, std::span<const Cost> costs, std::size_t way) {
    if (way > 0) {
        return "multiplied densely where more are";
    }
    const double most = costs[1].fixed / costs[0].rate;
    const double share = most / double(c.channels() * c.positions());
    return "where at most " + std::to_string(int(share * 100 + 0.5)) + "% of the gates are active";
}

}  // namespace

Result<Candidates> select_for_all(Planner& planner, const Convolution& c) {
    Candidates candidates;
    add(planner, c, list_way(planner, c), candidates);
    if (candidates.ways.empty()) {
        return no_kernel(planner, c);
    }
    add_winograd(planner, c, candidates);
    // The last is the cheapest: Winograd's would not be there if it cost more.
    candidates.ways.erase(candidates.ways.begin(), candidates.ways.end() - 1);
    candidates.ways.back().remark = candidates.why_not;
    pack(planner, c, candidates);
    return candidates;
}

Candidates select_for_positions(Planner& planner, const Convolution& c) {
    Candidates candidates;
    add(planner, c, list_way(planner, c), candidates);
    if (candidates.ways.empty()) {
        return candidates;
    }
    add_winograd(planner, c, candidates);
    candidates.ways[0].remark = candidates.why_not;
    const auto& ways = candidates.ways;
    // Taps that lie among Winograd's points have the scale in them, which pairs cannot take.
    if (!c.conv.is_quantised() && c.conv.is_plain() &&
        (ways.size() == 1 || !can_share_taps(*ways[1].kernel, *ways[0].kernel))) {
        add(planner, c, pairs_way(), candidates);
    }
    keep_only(planner, candidates);
    pack(planner, c, candidates);
    return candidates;
}

bool computes_once(const Planner& planner, Convolution c) {
    c.gate_form = GateForm::position;
    const auto once = [&](const Way& way) {
        const Found found = way.find(planner, c);
        return found.kernel == nullptr || way.computes_once(c, *found.kernel);
    };
    return once(list_way(planner, c)) &&
           (c.conv.is_quantised() || (once(winograd_way()) && once(pairs_way())));
}

Candidates select_for_tiles(Planner& planner, const Convolution& c) {
    Candidates candidates;
    add_winograd(planner, c, candidates);
    // The kernel finds the gate of an output by a shift.
    const bool is_power = std::has_single_bit(std::uint64_t(c.conv.gate_grid));
    const auto fits = [&](const Candidate& way) {
        return is_power && c.conv.gate_grid % way.kernel->as<WinogradInfo>().side == 0;
    };
    std::erase_if(candidates.ways, [&](const Candidate& way) { return !fits(way); });
    pack(planner, c, candidates);
    return candidates;
}

Result<Candidates> select_for_elements(Planner& planner, const Convolution& c) {
    Candidates dots;
    const bool skips = !c.conv.is_quantised() && add(planner, c, per_element_way(), dots);
    auto all = select_for_all(planner, c);
    if (!all.ok()) {
        return all.status();
    }
    Candidate& dense = all->ways[0];
    if (!skips) {
        dense.remark = dots.why_not;
        return all;
    }
    pack(planner, c, dots);
    dots.ways.push_back(dense);
    keep_only(planner, dots);
    return dots;
}

Status emit_all(Planner& planner, const Convolution& c, const Candidates& candidates,
                std::vector<Step>& steps) {
    const Candidate& only = candidates.ways[0];
    return only.way->emit(planner, c, only, only.way->all(planner, c, *only.kernel),
                          all_channels(c), {}, steps);
}

namespace {

/// Whether a step has to write what a gate leaves of the layer's outputs.
bool fills_skipped(const Planner& planner, const Convolution& c) {
    return !c.in_place && are_skipped_outputs_read(planner, c);
}

}  // namespace

Status emit_all_or_nothing(Planner& planner, const Convolution& c, const Candidates& candidates,
                           const Buffer& active, std::vector<Step>& steps) {
    Candidate only = candidates.ways[0];
    only.remark += std::string(only.remark.empty() ? "" : "; ") + "where its map's gate is active";
    Work work = only.way->all(planner, c, *only.kernel);
    if (fills_skipped(planner, c)) {
        work.skipped = planner.constants.all_positions(c.height(), c.width());
        work.skipped_static_count = c.positions();
        work.fills_where = Choice{active, 0};
    }
    return only.way->emit(planner, c, only, work, all_channels(c), Choice{active, 1}, steps);
}

Result<Buffer> emit_active(Planner& planner, const Convolution& c, const Candidates& candidates,
                           const GateLists& lists, const ChannelRange& range,
                           std::vector<Step>& steps) {
    std::vector<Work> work;
    std::vector<Cost> costs;
    for (const Candidate& candidate : candidates.ways) {
        const Kernel& kernel = *candidate.kernel;
        if (c.gate_form == GateForm::element && candidate.way->id() != WayId::per_element) {
            work.push_back(candidate.way->all(planner, c, kernel));
            costs.push_back({candidate.way->cost_of_all(c, kernel), 0, {}});
        } else {
            work.push_back(candidate.way->active(planner, c, kernel, lists, costs, steps));
            if (!fills_skipped(planner, c)) {
                work.back().skipped.reset();
            }
            costs.push_back(candidate.way->cost(c, kernel, work.back()));
        }
    }
    const bool chooses = candidates.ways.size() > 1;
    const Buffer chosen = chooses ? append_selection(planner, c, costs, steps) : Buffer{};
    for (std::size_t i = 0; i < candidates.ways.size(); ++i) {
        Candidate candidate = candidates.ways[i];
        const auto choice = chooses ? std::optional(Choice{chosen, std::int32_t(i)}) : std::nullopt;
        if (chooses && c.gate_form == GateForm::element) {
            candidate.remark = element_remark(c, costs, i);
        }
        SLUICE_RETURN_IF_ERROR(
            candidate.way->emit(planner, c, candidate, work[i], range, choice, steps));
    }
    return c.gate_form == GateForm::element ? *work[0].outputs : lists.active_count;
}

}  // namespace sluice
