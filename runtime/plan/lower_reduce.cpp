#include <algorithm>
#include <cmath>

#include "graph/shapes.h"
#include "plan/arrange.h"
#include "plan/lower.h"

namespace sluice {
namespace {

/// An axis that a reduction keeps: its strides at both ends.
struct KeptAxis {
    std::int64_t extent, in, out;
};

/// A reduction of a view: each output is that of the elements along the reduced axes.
struct Reduction {
    Buffer input, output;  ///< offsets; their axes are below
    std::vector<KeptAxis> kept;
    std::vector<Axis> reduced;
    float divisor = 1;
};

ReduceOperation reduce_operation(Op op) {
    switch (op) {
        case Op::reduce_max:
            return ReduceOperation::max;
        case Op::reduce_min:
            return ReduceOperation::min;
        default:
            return ReduceOperation::sum;
    }
}

/// Axes of one index go, the rest by their strides in the input; neighbours become one.
void merge_axes(Reduction& r) {
    std::erase_if(r.kept, [](const KeptAxis& axis) { return axis.extent == 1; });
    std::erase_if(r.reduced, [](const Axis& axis) { return axis.extent == 1; });
    std::ranges::stable_sort(r.kept, {}, &KeptAxis::in);
    std::ranges::stable_sort(r.reduced, {}, &Axis::stride);
    std::vector<KeptAxis> kept;
    for (const KeptAxis& axis : r.kept) {
        if (!kept.empty() && axis.in == kept.back().in * kept.back().extent &&
            axis.out == kept.back().out * kept.back().extent) {
            kept.back().extent *= axis.extent;
        } else {
            kept.push_back(axis);
        }
    }
    std::vector<Axis> reduced;
    for (const Axis& axis : r.reduced) {
        if (!reduced.empty() && axis.stride == reduced.back().stride * reduced.back().extent) {
            reduced.back().extent *= axis.extent;
        } else {
            reduced.push_back(axis);
        }
    }
    r.kept = std::move(kept);
    r.reduced = std::move(reduced);
}

Step reduce_step(const Planner& planner, const Node& node, const Reduction& r) {
    std::vector<KeptAxis> kept = r.kept;
    std::vector<Axis> reduced = r.reduced;
    kept.resize(2, {1, 0, 0});
    reduced.resize(2, {1, 0});
    const bool along_kept =
        reduced[0].stride != 1 || (kept[0].in == 1 && kept[0].extent >= planner.lanes);
    using Call = ReduceCall<Buffer>;
    Call call{.input = r.input, .divisor = r.divisor, .output = r.output};
    call.input.axes = {
        {kept[0].extent, kept[0].in}, {kept[1].extent, kept[1].in}, reduced[0], reduced[1]};
    call.output.axes = {{kept[0].extent, kept[0].out}, {kept[1].extent, kept[1].out}};
    Step step;
    step.kernel =
        find_kernel(reduce_operation(node.op),
                    along_kept ? Algorithm::reduce : Algorithm::reduce_along, planner.target);
    step.node = node.name;
    step.shape = extents_of(call.input) + " -> " + extents_of(call.output);
    step.work = kept[0].extent * kept[1].extent * reduced[0].extent * reduced[1].extent;
    step.remark = node.remark;
    if (kept[1].extent > 1) {
        step.split = {kept[1].extent, {along(&Call::input, 1, 1), along(&Call::output, 1, 1)}, -1};
    }
    if (along_kept) {
        set_call(step, call);
    } else {
        set_call(step, ReduceAlongCall<Buffer>{
                           .input = call.input, .divisor = call.divisor, .output = call.output});
    }
    return step;
}

/// Appends what computes a reduction: where there are more loops than a kernel has, several steps.
Status append_reduction(Planner& planner, const Node& node, Reduction r, std::vector<Step>& steps) {
    constexpr std::size_t loops = 2;
    constexpr std::int64_t most_steps = 64;
    merge_axes(r);
    if (r.reduced.size() > loops) {
        // The first axis alone, into memory that the next reduction reads.
        Reduction first = r;
        first.reduced = {r.reduced[0]};
        first.divisor = 1;
        std::int64_t stride = 1;
        const auto keep = [&](std::int64_t extent, std::int64_t in) {
            first.kept.push_back({extent, in, stride});
            stride *= extent;
            return stride / extent;
        };
        first.kept.clear();
        Reduction second = r;
        for (KeptAxis& axis : second.kept) {
            axis.in = keep(axis.extent, axis.in);
        }
        second.reduced.erase(second.reduced.begin());
        for (Axis& axis : second.reduced) {
            axis.stride = keep(axis.extent, axis.stride);
        }
        first.output = planner.arena.scratch(stride, r.input.type, {});
        second.input = first.output;
        SLUICE_RETURN_IF_ERROR(append_reduction(planner, node, std::move(first), steps));
        return append_reduction(planner, node, std::move(second), steps);
    }
    if (r.kept.size() <= loops) {
        steps.push_back(reduce_step(planner, node, r));
        return {};
    }
    const auto least = std::ranges::min_element(r.kept, {}, &KeptAxis::extent);
    const KeptAxis axis = *least;
    if (axis.extent > most_steps) {
        return planner.unsupported(node, "keeps axes of " + extents_of(r.input) + " apart",
                                   "reduce neighbouring axes");
    }
    r.kept.erase(least);
    for (std::int64_t i = 0; i < axis.extent; ++i) {
        Reduction part = r;
        part.input.offset += i * axis.in;
        part.output.offset += i * axis.out;
        SLUICE_RETURN_IF_ERROR(append_reduction(planner, node, std::move(part), steps));
    }
    return {};
}

}  // namespace

Result<Lowered> lower_reduce(Planner& planner, const Node& node) {
    const Graph& graph = planner.graph;
    const Layout& x = planner.layout(node.inputs[0]);
    const std::size_t rank = x.axes.size() + 1;
    const auto axes = node_axes(graph, node, rank);
    if (!axes.ok()) {
        return axes.status();
    }
    if (graph.batch_is_symbolic && std::ranges::count(axes.value(), std::size_t{0}) > 0) {
        return planner.unsupported(node, "reduces the batch", "reduce other axes");
    }
    const bool is_kept = graph.int_attribute(node, "keepdims", 1) != 0;
    const bool all = axes->empty() && graph.int_attribute(node, "noop_with_empty_axes", 0) == 0;
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, false);
    Reduction r;
    r.input = view(x);
    r.output = view(lowered.output);
    std::size_t place = 0;
    std::int64_t count = 1;
    for (std::size_t axis = 0; axis + 1 < rank; ++axis) {
        const Axis& from = r.input.axes[axis];
        if (all || std::ranges::count(axes.value(), axis + 1) > 0) {
            r.reduced.push_back(from);
            count *= from.extent;
            place += is_kept ? 1 : 0;
        } else {
            r.kept.push_back({from.extent, from.stride, r.output.axes[place].stride});
            ++place;
        }
    }
    r.divisor = node.op == Op::reduce_mean ? float(count) : 1.0F;
    SLUICE_RETURN_IF_ERROR(append_reduction(planner, node, std::move(r), lowered.steps));
    return lowered;
}

}  // namespace sluice
