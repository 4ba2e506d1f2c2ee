#include <algorithm>
#include <cmath>
#include <span>

#include "plan/arrange.h"
#include "plan/conv/int8_numbers.h"
#include "plan/lower.h"

namespace sluice {
namespace {

float at(std::span<const float> values, std::int64_t c) {
    return values[values.size() == 1 ? 0 : std::size_t(c)];
}

/// A constant as a view with the axes of an output: extents of 1 repeat. Fails where it has a
/// batch of its own.
std::optional<Buffer> constant_view(Planner& planner, const Constant& constant, const Shape& to) {
    Shape shape(to.size() + 1 - std::min(constant.shape.size(), to.size() + 1), 1);
    shape.insert(shape.end(), constant.shape.begin(), constant.shape.end());
    if (shape.size() != to.size() + 1 || shape[0] != 1 || !constant.is_float()) {
        return std::nullopt;
    }
    Buffer buffer = planner.constants.add_floats(constant.floats(), std::vector<Axis>(to.size()));
    std::int64_t stride = 1;
    for (std::size_t axis = to.size(); axis-- > 0;) {
        buffer.axes[axis] = {to[axis], shape[axis + 1] == 1 ? 0 : stride};
        stride *= shape[axis + 1];
    }
    return buffer;
}

std::optional<Buffer> operand(Planner& planner, ValueId id, const Shape& to) {
    if (const Constant* constant = planner.graph.constant(id)) {
        return constant_view(planner, *constant, to);
    }
    Buffer buffer = view(planner.layout(id));
    if (buffer.axes.size() != to.size()) {
        return std::nullopt;
    }
    for (std::size_t axis = 0; axis < to.size(); ++axis) {
        if (buffer.axes[axis].extent != to[axis]) {
            buffer.axes[axis] = {to[axis], 0};
        }
    }
    return buffer;
}

BinaryOperation operation_of(Op op) {
    switch (op) {
        case Op::add:
            return BinaryOperation::add;
        case Op::sub:
            return BinaryOperation::sub;
        case Op::mul:
            return BinaryOperation::mul;
        case Op::max:
            return BinaryOperation::max;
        case Op::min:
            return BinaryOperation::min;
        case Op::pow:
            return BinaryOperation::pow;
        case Op::p_relu:
            return BinaryOperation::prelu;
        default:
            return BinaryOperation::div;
    }
}

/// The numbers of a sum of quantised values.
Int8AddCall<Buffer> int8_sum(const Graph& graph, const Node& node) {
    const auto of = [&graph](ValueId id) { return *graph.values[std::size_t(id)].quantization; };
    const Quantization a = of(node.inputs[0]), b = of(node.inputs[1]), y = of(node.outputs[0]);
    const OutputRange range = output_range(y);
    Int8AddCall<Buffer> call;
    call.a_zero = a.zero_point;
    call.b_zero = b.zero_point;
    call.a_factor = float(double(a.scale) / y.scale);
    call.b_factor = float(double(b.scale) / y.scale);
    call.low = range.low;
    call.high = range.high;
    call.zero = y.zero_point;
    return call;
}

/// What an affine's input and output count in: 1 of floats.
struct AffineUnits {
    double input = 1, output = 1;
};

AffineUnits units_of(const Graph& graph, const Node& node) {
    const auto unit = [&graph](ValueId id) {
        const auto& of = graph.values[std::size_t(id)].quantization;
        return of ? double(of->scale) : 1;
    };
    return {unit(node.inputs[0]), unit(node.outputs[0])};
}

/// Red, green, blue and an alpha.
constexpr std::int64_t most_image_channels = 4;

/// The numbers of an affine of quantised values, but for its coefficients.
Int8AffineCall<Buffer> int8_affine(const Graph& graph, const Node& node) {
    const Quantization y = *graph.values[std::size_t(node.outputs[0])].quantization;
    const OutputRange range = output_range(y, node.affine->clamp);
    Int8AffineCall<Buffer> call;
    call.input_zero = graph.values[std::size_t(node.inputs[0])].quantization->zero_point;
    call.low = range.low;
    call.high = range.high;
    call.zero = y.zero_point;
    return call;
}

}  // namespace

Result<Lowered> lower_binary(Planner& planner, const Node& node) {
    const Shape shape = planner.layouts.image_shape(node.outputs[0]);
    auto a = operand(planner, node.inputs[0], shape), b = operand(planner, node.inputs[1], shape);
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, false);
    Buffer output = view(lowered.output);
    if (!a || !b || !arrange_dense({&output, &*a, &*b})) {
        const auto& values = planner.graph.values;
        return planner.unsupported(
            node,
            "broadcasts " + to_string(values[std::size_t(node.inputs[0])].shape) + " and " +
                to_string(values[std::size_t(node.inputs[1])].shape) +
                ", over the batch or more than four loops",
            "give both sides the batch first and the same rank");
    }
    Step step;
    step.node = node.name;
    step.shape = to_string(shape);
    step.work = value_count(lowered.output);
    step.remark = node.remark;
    if (node.op == Op::pow) {
        step.remark += (step.remark.empty() ? "" : "; ") + std::string("one element at a time");
    }
    const auto set = [&]<typename Call>(const Kernel* kernel, Call call) {
        step.kernel = kernel;
        step.split =
            split_views(output, {index_of(&Call::a), index_of(&Call::b), index_of(&Call::output)});
        call.a = *a;
        call.b = *b;
        call.output = output;
        set_call(step, call);
    };
    if (lowered.output.type == ElementType::uint8) {
        set(planner.kernel(Algorithm::int8_add), int8_sum(planner.graph, node));
    } else {
        set(find_kernel(operation_of(node.op), planner.target), BinaryCall<Buffer>{});
    }
    lowered.steps.push_back(std::move(step));
    return lowered;
}

Result<Lowered> lower_affine(Planner& planner, const Node& node) {
    const Affine& affine = *node.affine;
    const Layout& x = planner.layout(node.inputs[0]);
    const bool is_image = x.is_image();
    // A normalised photograph: the first layer had better read three channels than a vector of
    // them.
    const bool is_packed = is_image && x.channels() <= most_image_channels &&
                           planner.readers.only_convolved(node.outputs[0]);
    // An infinite bound that all values lie beyond would stand in the lanes beside the channels.
    const bool all_lanes = is_image && !is_packed &&
                           x.channel_stride() == planner.layouts.channel_stride(x.channels()) &&
                           std::isfinite(affine.clamp.apply(0));
    Lowered lowered;
    lowered.output = is_packed
                         ? planner.layouts.allocate_input(node)
                         : planner.layouts.allocate(
                               node, all_lanes || (is_image && x.channels() % planner.lanes == 0));
    const Layout& y = lowered.output;
    // A tensor that is no image is one row of elements, each with its channel's coefficients.
    const std::int64_t count = all_lanes  ? y.channel_stride()
                               : is_image ? x.channels()
                                          : value_count(x);
    const std::int64_t each =
        is_image ? 1 : count / std::max(x.axes.empty() ? 1 : x.axes[0].extent, std::int64_t{1});
    const AffineUnits units = units_of(planner.graph, node);
    std::vector<float> coefficients(std::size_t(2 * count));
    for (std::int64_t i = 0; i < (is_image ? x.channels() : count); ++i) {
        coefficients[std::size_t(i)] =
            float(at(affine.scale, i / each) * units.input / units.output);
        coefficients[std::size_t(count + i)] = float(at(affine.shift, i / each) / units.output);
    }
    const auto elements = [&](const Layout& layout) {
        if (is_image) {
            return pixels(layout, count);
        }
        Buffer row = view(layout);
        row.axes = {{count, 1}, {1, 0}, {1, 0}};
        return row;
    };
    Step step;
    step.node = node.name;
    step.shape = to_string(planner.layouts.image_shape(node.outputs[0]));
    step.work = 2 * value_count(y);
    const auto set = [&]<typename Call>(Algorithm algorithm, Call call) {
        step.kernel = planner.kernel(algorithm);
        call.input = elements(x);
        call.coefficients = planner.constants.add_floats(coefficients, {{count, 1}, {2, count}});
        call.output = elements(y);
        set_call(step, call);
        if (is_image) {
            step.split = {y.height(), {along(&Call::input, 2, 1), along(&Call::output, 2, 1)}, -1};
        }
    };
    if (y.type == ElementType::uint8) {
        set(Algorithm::int8_affine, int8_affine(planner.graph, node));
    } else {
        AffineCall<Buffer> call;
        call.low = affine.clamp.low;
        call.high = affine.clamp.high;
        set(Algorithm::affine, call);
    }
    step.remark = node.remark;
    lowered.steps.push_back(std::move(step));
    return lowered;
}

}  // namespace sluice
