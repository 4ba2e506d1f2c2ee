#include <algorithm>

#include "plan/arrange.h"
#include "plan/lower.h"

namespace sluice {
namespace {

bool same_extents(const std::vector<Axis>& a, const std::vector<Axis>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const Axis& x, const Axis& y) { return x.extent == y.extent; });
}

std::vector<Axis> without_ones(std::vector<Axis> axes) {
    std::erase_if(axes, [](const Axis& axis) { return axis.extent == 1; });
    return axes;
}

bool is_dense(const std::vector<Axis>& axes) {
    std::int64_t stride = 1;
    for (std::size_t axis = axes.size(); axis-- > 0; stride *= axes[axis].extent) {
        if (axes[axis].extent != 1 && axes[axis].stride != stride) {
            return false;
        }
    }
    return true;
}

/// The views that copies lead through, from first to last: the elements keep ONNX's order, which
/// only a dense tensor shows.
std::vector<std::pair<Buffer, Buffer>> copies_of(Planner& planner, const Layout& from,
                                                 const Layout& to, const Shape& shape) {
    Buffer source = view(from), target = view(to);
    const auto a = without_ones(source.axes), b = without_ones(target.axes);
    if (same_extents(a, b)) {
        source.axes = a;
        target.axes = b;
        return {{source, target}};
    }
    if (!from.is_image()) {
        source.axes = dense_axes(shape);
        return {{source, target}};
    }
    Buffer dense = to.is_image()
                       ? planner.arena.scratch(value_count(from), halide_type(from.type), {})
                       : target;
    Shape before;
    for (const Axis& axis : source.axes) {
        before.push_back(axis.extent);
    }
    dense.axes = dense_axes(before);
    if (!to.is_image()) {
        return {{source, dense}};
    }
    Buffer turned = dense;
    turned.axes = dense_axes(shape);
    return {{source, dense}, {turned, target}};
}

}  // namespace

Result<Lowered> lower_reshape(Planner& planner, const Node& node) {
    const Layout& from = planner.layout(node.inputs[0]);
    const Shape shape = planner.layouts.image_shape(node.outputs[0]);
    Lowered lowered;
    if (shape.size() != 3 && from.memory == Memory::arena && is_dense(from.axes)) {
        lowered.output = from;
        lowered.output.axes = dense_axes(shape);
        std::fill_n(lowered.output.halo, 4, 0);
        return lowered;
    }
    lowered.output = planner.layouts.allocate(node, false);
    for (const auto& [source, target] : copies_of(planner, from, lowered.output, shape)) {
        SLUICE_RETURN_IF_ERROR(append(lowered.steps, copy_step(planner, node, source, target)));
    }
    return lowered;
}

}  // namespace sluice
