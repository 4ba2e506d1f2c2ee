#include "plan/arrange.h"

#include <algorithm>
#include <numeric>

namespace sluice {

namespace {

/// `is_dense`: views[0] has stride 1 along its first axis.
bool arrange(const std::vector<Buffer*>& views, bool is_dense) {
    const std::vector<Axis> lead = views[0]->axes;
    std::vector<std::size_t> order;
    for (std::size_t axis = 0; axis < lead.size(); ++axis) {
        if (lead[axis].extent != 1) {
            order.push_back(axis);
        }
    }
    std::stable_sort(order.begin(), order.end(), [&lead](std::size_t a, std::size_t b) {
        return lead[a].stride < lead[b].stride;
    });
    std::vector<std::vector<Axis>> axes(views.size());
    for (const std::size_t axis : order) {
        bool merges = !axes[0].empty();
        for (std::size_t v = 0; merges && v < views.size(); ++v) {
            const Axis& inner = axes[v].back();
            merges = views[v]->axes[axis].stride == inner.stride * inner.extent;
        }
        for (std::size_t v = 0; v < views.size(); ++v) {
            if (merges) {
                axes[v].back().extent *= views[v]->axes[axis].extent;
            } else {
                axes[v].push_back(views[v]->axes[axis]);
            }
        }
    }
    // A scalar is dense too, and so is what has one channel.
    const bool adds_axis = axes[0].empty() || (is_dense && axes[0][0].stride != 1);
    for (std::size_t v = 0; v < views.size(); ++v) {
        if (adds_axis) {
            axes[v].insert(axes[v].begin(), {1, 1});
        }
        if (axes[v].size() > 4) {
            return false;
        }
        axes[v].resize(4, {1, 0});
        views[v]->axes = std::move(axes[v]);
    }
    return true;
}

}  // namespace

bool arrange(std::vector<Buffer*> views) { return arrange(views, false); }

bool arrange_dense(std::vector<Buffer*> views) { return arrange(views, true); }

Split split_views(const Buffer& output, std::vector<int> arguments) {
    Split split;
    int axis = int(output.axes.size()) - 1;
    while (axis > 0 && output.axes[std::size_t(axis)].extent == 1) {
        --axis;
    }
    if (axis == 0) {
        return split;
    }
    split.count = output.axes[std::size_t(axis)].extent;
    for (const int argument : arguments) {
        split.along.push_back({argument, axis, 1});
    }
    return split;
}

std::string extents_of(const Buffer& view) {
    Shape shape;
    for (const Axis& axis : view.axes) {
        shape.push_back(axis.extent);
    }
    return to_string(shape);
}

Result<Step> copy_step(const Planner& planner, const Node& node, const Buffer& from,
                       const Buffer& to, std::int32_t flip) {
    constexpr char moves[] = "moves";
    if (to.type == halide_type_of<std::uint8_t>()) {
        return elementwise_step(planner, node, Algorithm::int8_copy,
                                Int8CopyCall<Buffer>{.input = from, .flip = flip, .output = to},
                                moves);
    }
    return elementwise_step(planner, node, Algorithm::copy,
                            CopyCall<Buffer>{.input = from, .output = to}, moves);
}

Status append_copies(const Planner& planner, const Node& node, const Buffer& from, const Buffer& to,
                     std::vector<Step>& steps) {
    constexpr std::int64_t most_steps = 64;
    Buffer source = from, target = to;
    const auto is_loop = [](const Axis& axis) { return axis.extent > 1; };
    // Of the axes that are left, the one of the fewest indices.
    const auto least =
        std::min_element(target.axes.begin(), target.axes.end(), [&](const Axis& a, const Axis& b) {
            return is_loop(a) && (!is_loop(b) || a.extent < b.extent);
        });
    Buffer in = from, out = to;
    if (arrange({&out, &in}) || least->extent > most_steps) {
        return append(steps, copy_step(planner, node, from, to));
    }
    const std::size_t axis = std::size_t(least - target.axes.begin());
    const std::int64_t count = least->extent;
    source.axes[axis].extent = target.axes[axis].extent = 1;
    for (std::int64_t i = 0; i < count; ++i) {
        SLUICE_RETURN_IF_ERROR(append_copies(planner, node, source, target, steps));
        source.offset += source.axes[axis].stride;
        target.offset += target.axes[axis].stride;
    }
    return {};
}

std::int64_t common_channels(const Planner& planner, const Layout& x) {
    const std::int64_t stride = planner.layouts.channel_stride(x.channels());
    return x.channel_stride() == stride ? stride : x.channels();
}

bool writes_all_lanes(const Planner& planner, const Layout& x, std::int64_t channels) {
    return channels != x.channels() || x.channels() % planner.lanes == 0;
}

std::int64_t value_count(const Layout& layout) {
    std::int64_t count = 1;
    for (const Axis& axis : layout.axes) {
        count *= axis.extent;
    }
    return count;
}

std::string extents_of(const Layout& image) {
    return std::to_string(image.channels()) + "x" + std::to_string(image.height()) + "x" +
           std::to_string(image.width());
}

}  // namespace sluice
