#include <algorithm>
#include <cmath>

#include "graph/shapes.h"
#include "plan/arrange.h"
#include "plan/conv/int8_numbers.h"
#include "plan/lower.h"

namespace sluice {
namespace {

/// One value over `count` indices of an axis, from `first` on; no step where there are none.
Status append_paint(const Planner& planner, const Node& node, Buffer value, Buffer target,
                    std::size_t axis, std::int64_t first, std::int64_t count,
                    std::vector<Step>& steps) {
    if (count <= 0) {
        return {};
    }
    target.offset += first * target.axes[axis].stride;
    target.axes[axis].extent = count;
    value.axes = target.axes;
    for (Axis& a : value.axes) {
        a.stride = 0;
    }
    return append(steps, copy_step(planner, node, value, target));
}

/// A value as elements of the node's output hold it.
Buffer painted(Planner& planner, const Node& node, float value) {
    const auto& quantization = planner.graph.values[std::size_t(node.outputs[0])].quantization;
    if (!quantization) {
        return planner.constants.add_floats({&value, 1}, {});
    }
    const OutputRange range = output_range(*quantization);
    const float grid =
        std::clamp(std::nearbyint(value / quantization->scale), range.low, range.high);
    const auto number = std::uint8_t(int(grid) + quantization->zero_point);
    return planner.constants.add_bytes({&number, 1}, {});
}

/// Where the input lies in the output: views of the same extents. False where no element of it is
/// left, by crops.
struct Inner {
    Buffer source, target;
    std::vector<std::int64_t> first;  ///< of each axis, in the output
    bool holds_any = true;
};

/// Where a Pad that puts `pads` around an image copies it. Crops on one side may leave less than
/// the padding on the other.
Inner inner_of(const Planner& planner, const Node& node, const Layout& output,
               const std::vector<std::int64_t>& pads) {
    Inner inner{view(planner.layout(node.inputs[0])), view(output), {}};
    for (std::size_t axis = 0; axis < inner.source.axes.size(); ++axis) {
        Axis& from = inner.source.axes[axis];
        Axis& to = inner.target.axes[axis];
        const std::int64_t before = pads[axis + 1];
        const std::int64_t first = std::clamp(before, std::int64_t{0}, to.extent);
        const std::int64_t end = std::clamp(before + from.extent, first, to.extent);
        inner.first.push_back(first);
        inner.holds_any = inner.holds_any && end > first;
        inner.source.offset += (first - before) * from.stride;
        inner.target.offset += first * to.stride;
        from.extent = end - first;
        to.extent = end - first;
    }
    return inner;
}

/// Paints what is around the inner part, axis by axis.
Status append_border(const Planner& planner, const Node& node, const Buffer& paint,
                     const Inner& inner, Buffer target, std::vector<Step>& steps) {
    for (std::size_t axis = 0; axis < target.axes.size(); ++axis) {
        const std::int64_t first = inner.first[axis], count = inner.target.axes[axis].extent;
        const std::int64_t extent = target.axes[axis].extent, end = first + count;
        SLUICE_RETURN_IF_ERROR(append_paint(planner, node, paint, target, axis, 0, first, steps));
        SLUICE_RETURN_IF_ERROR(
            append_paint(planner, node, paint, target, axis, end, extent - end, steps));
        if (count == 0) {
            return {};
        }
        target.offset += first * target.axes[axis].stride;
        target.axes[axis].extent = count;
    }
    return {};
}

enum class Mirror { edge, reflect, wrap };

/// Fills `count` indices of an axis from index `to` on with those from `from` on, in steps of 1, -1
/// or 0. `part` is the output, as far as it is filled.
Status append_mirror(const Planner& planner, const Node& node, const Buffer& part, std::size_t axis,
                     std::int64_t to, std::int64_t from, std::int64_t step, std::int64_t count,
                     std::vector<Step>& steps) {
    if (count == 0) {
        return {};
    }
    Buffer source = part, target = part;
    const std::int64_t stride = part.axes[axis].stride;
    source.offset += from * stride;
    source.axes[axis] = {count, step * stride};
    target.offset += to * stride;
    target.axes[axis].extent = count;
    return append(steps, copy_step(planner, node, source, target));
}

/// Copies what is around the inner part from it, axis by axis; later axes also from what earlier
/// ones have filled.
Status append_mirrors(const Planner& planner, const Node& node, Mirror mirror, const Inner& inner,
                      const Buffer& output, std::vector<Step>& steps) {
    Buffer part = inner.target;
    for (std::size_t axis = 0; axis < part.axes.size(); ++axis) {
        const std::int64_t count = part.axes[axis].extent, before = inner.first[axis];
        const std::int64_t behind = output.axes[axis].extent - before - count;
        const std::int64_t most = mirror == Mirror::reflect ? count - 1 : count;
        if (mirror != Mirror::edge && std::max(before, behind) > most) {
            return planner.unsupported(node,
                                       "pads " + std::to_string(count) + " elements by more, " +
                                           std::to_string(std::max(before, behind)),
                                       "pad by less than the extent");
        }
        const bool wraps = mirror == Mirror::wrap;
        const std::int64_t step = mirror == Mirror::edge ? 0 : wraps ? 1 : -1;
        const std::int64_t left = mirror == Mirror::edge ? 0 : wraps ? count - before : before;
        const std::int64_t right = mirror == Mirror::edge ? count - 1 : wraps ? 0 : count - 2;
        SLUICE_RETURN_IF_ERROR(
            append_mirror(planner, node, part, axis, -before, left, step, before, steps));
        SLUICE_RETURN_IF_ERROR(
            append_mirror(planner, node, part, axis, count, right, step, behind, steps));
        part.offset -= before * part.axes[axis].stride;
        part.axes[axis].extent = output.axes[axis].extent;
    }
    return {};
}

/// The one value around the input; a failure where there is none.
Result<float> border_value(const Planner& planner, const Node& node) {
    const bool has_value = node.inputs.size() > 2 && node.inputs[2] != no_value;
    const Constant* constant = has_value ? planner.graph.constant(node.inputs[2]) : nullptr;
    if (has_value && (constant == nullptr || !constant->is_float())) {
        return planner.unsupported(node, "pads with a value that is no float constant",
                                   "pad with a constant");
    }
    return constant != nullptr ? constant->floats()[0] : 0;
}

std::optional<Mirror> mirror_named(const std::string& mode) {
    return mode == "edge"      ? std::optional(Mirror::edge)
           : mode == "reflect" ? std::optional(Mirror::reflect)
           : mode == "wrap"    ? std::optional(Mirror::wrap)
                               : std::nullopt;
}

}  // namespace

Result<Lowered> lower_pad(Planner& planner, const Node& node) {
    const auto pads = pad_extents(planner.graph, node);
    if (!pads.ok()) {
        return pads.status();
    }
    const std::size_t rank = pads.value().size() / 2;
    const std::string mode = planner.graph.string_attribute(node, "mode", "constant");
    const auto mirror = mirror_named(mode);
    if (mode != "constant" && !mirror) {
        return planner.unsupported(node, "pads by mode '" + mode + "'",
                                   "pad by constant, edge, reflect or wrap");
    }
    if (pads.value()[0] != 0 || pads.value()[rank] != 0) {
        return planner.unsupported(node, "pads the batch", "pad each image");
    }
    const auto value = border_value(planner, node);
    if (!value.ok()) {
        return value.status();
    }
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, false);
    const Buffer output = view(lowered.output);
    const Inner inner = inner_of(planner, node, lowered.output, pads.value());
    if (mirror && !inner.holds_any) {
        return planner.unsupported(node, "crops all that it would repeat",
                                   "export the model again");
    }
    if (!mirror) {
        const Buffer paint = painted(planner, node, value.value());
        SLUICE_RETURN_IF_ERROR(append_border(planner, node, paint, inner, output, lowered.steps));
    }
    if (inner.holds_any) {
        SLUICE_RETURN_IF_ERROR(
            append(lowered.steps, copy_step(planner, node, inner.source, inner.target)));
    }
    if (mirror) {
        SLUICE_RETURN_IF_ERROR(
            append_mirrors(planner, node, *mirror, inner, output, lowered.steps));
    }
    return lowered;
}

}  // namespace sluice
