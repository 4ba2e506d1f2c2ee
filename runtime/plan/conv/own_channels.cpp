#include "plan/conv/own_channels.h"

#include "plan/arrange.h"

namespace sluice {
namespace {

ElementType type_of_input(const Planner& planner, const Convolution& c) {
    return planner.layout(c.node.inputs[0]).type;
}

/// Whether each output reads the channel of its own number, with whole vectors of them.
bool reads_own_channels(const Planner& planner, const Convolution& c) {
    return c.channels() == c.conv.groups && c.channel_stride % planner.lanes == 0 &&
           c.channel_stride >= c.outputs;
}

/// (c, x, y) of the input's channels.
Buffer channels_of(const Convolution& c) {
    Buffer input = c.input;
    const std::int64_t width = input.axes[0].extent / c.channel_stride;
    input.axes = {{c.conv.groups, 1}, {width, c.channel_stride}, input.axes[1]};
    return input;
}

/// Copies the input with a channel for each output; returns (k, x, y).
Result<Buffer> append_own_channels(Planner& planner, const Convolution& c,
                                   std::vector<Step>& steps) {
    Buffer from = channels_of(c);
    const std::int64_t width = from.axes[1].extent, height = from.axes[2].extent;
    const std::int64_t each = c.channels() / c.conv.groups;
    const Buffer wide =
        planner.layouts.scratch_image(c.channels(), width, height, type_of_input(planner, c));
    Buffer to = wide;
    from.axes.insert(from.axes.begin(), Axis{each, 0});
    to.axes[0] = {c.conv.groups, each};
    to.axes.insert(to.axes.begin(), Axis{each, 1});
    SLUICE_RETURN_IF_ERROR(append(steps, copy_step(planner, c.node, from, to)));
    return wide;
}

}  // namespace

ConvLayer layer_of_own_channels(const Planner& planner, const Convolution& c) {
    ConvLayer layer = c.layer;
    layer.channel_stride = reads_own_channels(planner, c) ? c.channel_stride : c.outputs;
    return layer;
}

Result<Buffer> own_channels(Planner& planner, const Convolution& c, std::vector<Step>& steps) {
    return reads_own_channels(planner, c) ? Result<Buffer>(channels_of(c))
                                          : append_own_channels(planner, c, steps);
}

}  // namespace sluice
