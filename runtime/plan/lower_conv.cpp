#include <algorithm>

#include "plan/conv_common.h"
#include "plan/lower.h"

namespace sluice {
namespace {

/// (k, row): bias, scale, shift.
Buffer pack_epilogue(Builder& builder, const FusedConv& conv, std::int64_t outputs) {
    std::vector<float> rows(std::size_t(3 * outputs));
    std::copy(conv.bias.begin(), conv.bias.end(), rows.begin());
    std::copy(conv.scale.begin(), conv.scale.end(), rows.begin() + outputs);
    std::copy(conv.shift.begin(), conv.shift.end(), rows.begin() + 2 * outputs);
    return builder.constants.add_floats(rows, {{outputs, 1}, {3, outputs}});
}

}  // namespace

Buffer from_channel(Buffer buffer, std::int64_t first, std::int64_t count) {
    buffer.offset += first * buffer.axes[0].stride;
    buffer.axes[0].extent = count;
    return buffer;
}

std::vector<Argument> conv_arguments(const Conv& c, const Buffer& list, const Buffer& weights,
                                     std::int64_t first, std::int64_t count) {
    const FusedConv& conv = c.conv;
    return {c.input,
            list,
            weights,
            from_channel(c.epilogue, first, count),
            c.gate,
            from_channel(c.residual, first, count),
            std::int32_t(conv.stride[1]),
            std::int32_t(conv.stride[0]),
            std::int32_t(c.input_pitch),
            conv.act.low,
            conv.act.high,
            conv.post.low,
            conv.post.high,
            from_channel(c.output, first, count)};
}

Step conv_step(const Conv& c, std::int64_t first, std::int64_t count, const Buffer& list) {
    const std::int64_t block = c.kernel->block();
    Buffer weights = c.weights;
    weights.offset += first / block * weights.axes[3].stride;
    weights.axes[3].extent = count / block;
    Step step;
    step.kernel = c.kernel;
    step.node = c.node.name;
    step.shape = c.shape;
    step.packed_bytes = count * weights.axes[1].extent * weights.axes[2].extent * 4;
    step.arguments = conv_arguments(c, list, weights, first, count);
    const std::int64_t positions = c.output.axes[1].extent * c.output.axes[2].extent;
    step.work = 2 * count * macs_per_output(c.conv) * positions;
    step.list.argument = 1;
    step.list.tile = c.kernel->as<DirectInfo>().pixels;
    if (splits_weights(step, count / block)) {
        step.split = {count / block, {{2, 3, 1}, {3, 0, block}, {5, 0, block}, {13, 0, block}}, -1};
        if (c.kernel->gate == GateForm::element) {
            step.split.along.push_back({4, 0, block});
        }
    }
    return step;
}

Step dense_step(Builder& builder, const Conv& c) {
    if (c.winograd != nullptr) {
        return dense_winograd_step(builder, c);
    }
    const std::int64_t height = c.output.axes[2].extent, width = c.output.axes[1].extent;
    Step step = conv_step(c, 0, c.outputs, builder.constants.all_positions(height, width));
    step.list.static_count = height * width;
    step.macs = c.conv.weights->shape[0] * macs_per_output(c.conv) * height * width;
    return step;
}

namespace {

/// A gate map a channel block becomes one a channel.
Result<Buffer> expand_groups(Builder& builder, const Node& node, std::int64_t channels) {
    const Layout& maps = builder.layout(node.inputs[1]);
    const std::int64_t groups = maps.channels(), width = maps.width(), height = maps.height();
    const Buffer wide = builder.scratch_picture(channels, width, height);
    const std::int64_t pitch = wide.axes[1].stride, each = channels / groups;
    Buffer from = view(maps), to = wide;
    from.axes = {{each, 0}, {groups, 1}, maps.axes[2], maps.axes[1]};
    to.axes = {{each, 1}, {groups, each}, {width, pitch}, {height, width * pitch}};
    SLUICE_RETURN_IF_ERROR(emit_copy(builder, node, from, to));
    return wide;
}

Buffer no_residual(Builder& builder, std::int64_t outputs, const Layout& y) {
    Buffer zeros = builder.constants.add_floats(std::vector<float>(std::size_t(outputs)), {});
    zeros.axes = {{outputs, 1}, {y.width(), 0}, {y.height(), 0}};
    return zeros;
}

/// What computes a convolution, and whether its group gates have to be multiplied densely.
struct Choice {
    const Kernel* kernel = nullptr;  ///< null where there is none
    const Kernel* winograd = nullptr;
    bool expands = false;
};

/// Finds the kernels, for group gates those whose tile of channels divides a group; where none
/// does, those of gates an element.
Choice choose_kernels(const Builder& builder, const Node& node, const Layout& x, const Layout& y) {
    const FusedConv& conv = *node.fused_conv;
    const auto find = [&](GateForm form, std::int64_t outputs) {
        const ConvLayer layer = conv_layer(x, conv, y, outputs);
        return Choice{find_conv(Algorithm::gated_conv, form, builder.target, layer),
                      find_winograd(builder, form, layer)};
    };
    if (conv.gate != GateForm::group) {
        return find(conv.gate, y.pitch());
    }
    Choice choice = find(conv.gate, y.channels() / builder.layout(node.inputs[1]).channels());
    if (choice.kernel == nullptr) {
        choice = find(GateForm::element, y.pitch());
        choice.expands = true;
    }
    return choice;
}

void add_gate(Builder& builder, const Node& node, std::int64_t macs) {
    const Layout& map = builder.layout(node.inputs[1]);
    builder.plan.gates.push_back({node.name, map.channels(), map.height(), map.width(),
                                  node.fused_conv->gate_grid, macs, true});
    Buffer values = pixels(map, map.channels());
    values.axes = {map.axes[2], map.axes[1], {map.channels(), 1}};
    builder.plan.gate_sources.push_back({builder.plan.steps.size(), values, {}});
}

/// `expands`: one gate a group of channels that no kernel's tile divides.
Status lower_element_gate(Builder& builder, Conv& c, bool expands) {
    // The maps are read first by the step that comes next: later ones may take their memory.
    builder.plan.gate_sources.back().step = builder.plan.steps.size();
    if (expands) {
        auto wide = expand_groups(builder, c.node, c.conv.weights->shape[0]);
        if (!wide.ok()) {
            return wide.status();
        }
        c.gate = wide.value();
    } else {
        c.gate = pixels(builder.layout(c.node.inputs[1]), c.outputs);
    }
    const auto skips = emit_elements(builder, c);
    if (!skips.ok()) {
        return skips.status();
    }
    builder.plan.gates.back().skips = skips.value();
    return {};
}

/// Lanes beside the channels have weights of zero, whose products with an infinity are NaN: readers
/// would multiply that by zeros of their own, and add it to what they compute of real channels.
Status clear_lanes(Builder& builder, const Node& node) {
    const ValueId id = node.outputs[0];
    const Layout& y = builder.layout(id);
    const std::int64_t lanes = y.pitch() - y.channels();
    if (lanes == 0 || builder.only_copied(id) || builder.only_gates(id)) {
        return {};
    }
    Buffer to = view(y), zero = builder.constants.add_floats(std::vector{0.0F}, {});
    to.offset += y.channels();
    to.axes[0].extent = lanes;
    zero.axes = {{lanes, 0}, {y.height(), 0}, {y.width(), 0}};
    return emit_copy(builder, node, zero, to);
}

Status lower_lists_or_all(Builder& builder, const Node& node) {
    const FusedConv& conv = *node.fused_conv;
    const Layout& x = builder.layout(node.inputs[0]);
    const Layout& y = builder.allocate(node, true);
    const std::int64_t outputs = y.pitch(), channels = y.channels();
    const Choice choice = choose_kernels(builder, node, x, y);
    if (choice.kernel == nullptr) {
        return builder.unsupported(node, "has no kernel for " + std::string(builder.target.id),
                                   "choose another target");
    }
    Conv c{node,
           conv,
           choice.kernel,
           nullptr,
           conv_layer(x, conv, y, outputs),
           patches(x, conv),
           {},
           {},
           pack_epilogue(builder, conv, outputs),
           {},
           {},
           pixels(y, outputs),
           {},
           {},
           outputs,
           conv_shape(x, y, conv),
           x.pitch(),
           node.remark};
    c.winograd = accept_winograd(choice.winograd, node, c.remark);
    if (c.winograd == nullptr) {
        SLUICE_RETURN_IF_ERROR(copy_phases(builder, c));
    }
    const bool is_tiled =
        c.winograd != nullptr && conv.gate_grid == c.winograd->as<WinogradInfo>().side;
    // A run chooses by the positions that are open; tiles and elements leave it no choice.
    const bool chooses = (conv.gate == GateForm::position && !is_tiled) ||
                         (conv.gate == GateForm::group && !choice.expands);
    if (c.winograd == nullptr) {
        pack_direct(builder, c);
    } else {
        prepare_winograd(builder, c, chooses);
    }
    c.residual = node.inputs[2] == no_value ? no_residual(builder, outputs, y)
                                            : pixels(builder.layout(node.inputs[2]), outputs);
    c.gate = no_residual(builder, outputs, y);
    const std::int64_t macs = channels * macs_per_output(conv) * y.height() * y.width();
    (conv.is_branch ? builder.plan.branch_macs : builder.plan.macs) += macs;
    if (conv.gate == GateForm::none) {
        Step step = dense_step(builder, c);
        step.remark = c.remark;
        builder.emit(std::move(step));
        return {};
    }
    add_gate(builder, node, macs);
    if (choice.expands || conv.gate == GateForm::element) {
        return lower_element_gate(builder, c, choice.expands);
    }
    if (conv.gate_grid > 1) {
        return is_tiled ? emit_tiled(builder, c) : emit_expanded(builder, c);
    }
    return emit_gated(
        builder, c, conv.gate == GateForm::group ? builder.plan.gates.back().groups : 1, channels);
}

}  // namespace

Status lower_fused_conv(Builder& builder, const Node& node) {
    SLUICE_RETURN_IF_ERROR(check_conv(builder, node));
    if (is_branch_form(builder, node)) {
        return lower_branch(builder, node);
    }
    SLUICE_RETURN_IF_ERROR(lower_lists_or_all(builder, node));
    return clear_lanes(builder, node);
}

}  // namespace sluice
