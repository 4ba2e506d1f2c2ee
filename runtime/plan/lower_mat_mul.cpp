#include <algorithm>
#include <optional>

#include "plan/arrange.h"
#include "plan/lower.h"

namespace sluice {
namespace {

/// An axis of a product's rows: its strides in both operands and in the output.
struct RowAxis {
    std::int64_t extent, a, b, out;
};

/// Products of matrices [T, I] and [I, O], with strides of each axis.
struct Product {
    Buffer a, b, output;        ///< offsets; their axes are below
    std::vector<RowAxis> rows;  ///< T, then what is outside it from the innermost on
    std::int64_t inputs = 0, a_input = 0, b_input = 0;
    std::int64_t outputs = 0, b_output = 0, out_output = 0;
};

/// An operand with the axes of one image, the rank being the output's; extents of 1 repeat. None
/// where it has a batch that the output has not.
std::optional<Buffer> matrix_operand(Planner& planner, ValueId id, std::size_t rank) {
    const Constant* constant = planner.graph.constant(id);
    if (constant == nullptr) {
        Buffer buffer = view(planner.layout(id));
        return buffer.axes.size() + 1 == rank ? std::optional(std::move(buffer)) : std::nullopt;
    }
    if (!constant->is_float() || constant->shape.size() > rank) {
        return std::nullopt;
    }
    Shape shape(rank - constant->shape.size(), 1);
    shape.insert(shape.end(), constant->shape.begin(), constant->shape.end());
    if (shape[0] != 1) {
        return std::nullopt;
    }
    return planner.constants.add_floats(constant->floats(),
                                        dense_axes({shape.begin() + 1, shape.end()}));
}

/// The strides of a product whose output is a view of `shape`, one image's.
Product product_of(const Buffer& a, const Buffer& b, const Buffer& output) {
    const std::size_t count = output.axes.size();
    const auto step = [](const Axis& axis, std::int64_t extent) {
        return axis.extent == extent && extent > 1 ? axis.stride : 0;
    };
    Product p;
    p.a = a;
    p.b = b;
    p.output = output;
    p.inputs = a.axes[count - 1].extent;
    p.a_input = a.axes[count - 1].stride;
    p.b_input = b.axes[count - 2].stride;
    p.outputs = output.axes[count - 1].extent;
    p.b_output = b.axes[count - 1].stride;
    p.out_output = output.axes[count - 1].stride;
    const Axis& rows = output.axes[count - 2];
    p.rows.push_back({rows.extent, a.axes[count - 2].stride, 0, rows.stride});
    for (std::size_t axis = count - 2; axis-- > 0;) {
        const Axis& out = output.axes[axis];
        p.rows.push_back({out.extent, step(a.axes[axis], out.extent),
                          step(b.axes[axis], out.extent), out.stride});
    }
    return p;
}

/// Rows that repeat the second operand, neighbours in all views, become one axis.
void merge_rows(std::vector<RowAxis>& rows) {
    const RowAxis one = {1, 0, 0, 0};
    std::vector<RowAxis> merged;
    for (const RowAxis& axis : rows) {
        if (axis.extent == 1) {
            continue;
        }
        const bool joins = !merged.empty() && axis.b == 0 && merged.back().b == 0 &&
                           axis.a == merged.back().a * merged.back().extent &&
                           axis.out == merged.back().out * merged.back().extent;
        if (joins) {
            merged.back().extent *= axis.extent;
        } else {
            merged.push_back(axis);
        }
    }
    rows = merged.empty() ? std::vector<RowAxis>{one} : std::move(merged);
}

/// The rows whose neighbours lie side by side in the first operand and the output, where the second
/// is the same for all: they may be the kernel's dense axis.
std::optional<std::size_t> dense_rows(const Product& p, std::int64_t lanes) {
    const bool is_shared = std::ranges::all_of(p.rows, [](const RowAxis& r) { return r.b == 0; });
    const auto found = std::ranges::find_if(
        p.rows, [lanes](const RowAxis& r) { return r.a == 1 && r.out == 1 && r.extent >= lanes; });
    return is_shared && found != p.rows.end() ? std::optional(std::size_t(found - p.rows.begin()))
                                              : std::nullopt;
}

using Call = MatMulCall<Buffer>;

/// The kernel's dense axis are the outputs. Fails beyond three axes of rows.
std::optional<Call> along_outputs(const Product& p) {
    if (p.rows.size() > 3) {
        return std::nullopt;
    }
    std::vector<RowAxis> rows = p.rows;
    rows.resize(3, {1, 0, 0, 0});
    if (rows[0].b != 0) {  // each row has a matrix of its own
        if (p.rows.size() > 2) {
            return std::nullopt;
        }
        rows = {{1, 0, 0, 0}, rows[0], rows[1]};
    }
    Call call{.a = p.a, .b = p.b, .output = p.output};
    call.a.axes = {{p.inputs, p.a_input},
                   {rows[0].extent, rows[0].a},
                   {rows[1].extent, rows[1].a},
                   {rows[2].extent, rows[2].a}};
    call.b.axes = {{p.outputs, p.b_output},
                   {p.inputs, p.b_input},
                   {rows[1].extent, rows[1].b},
                   {rows[2].extent, rows[2].b}};
    call.output.axes = {{p.outputs, p.out_output},
                        {rows[0].extent, rows[0].out},
                        {rows[1].extent, rows[1].out},
                        {rows[2].extent, rows[2].out}};
    return call;
}

/// The kernel's dense axis are these rows: it multiplies the transposed matrices.
std::optional<Call> along_rows(const Product& p, std::size_t dense) {
    std::vector<RowAxis> others = p.rows;
    const RowAxis rows = others[dense];
    others.erase(others.begin() + std::ptrdiff_t(dense));
    if (others.size() > 2) {
        return std::nullopt;
    }
    others.resize(2, {1, 0, 0, 0});
    Call call{.a = p.b, .b = p.a, .output = p.output};
    call.a.axes = {{p.inputs, p.b_input},
                   {p.outputs, p.b_output},
                   {others[0].extent, 0},
                   {others[1].extent, 0}};
    call.b.axes = {{rows.extent, rows.a},
                   {p.inputs, p.a_input},
                   {others[0].extent, others[0].a},
                   {others[1].extent, others[1].a}};
    call.output.axes = {{rows.extent, rows.out},
                        {p.outputs, p.out_output},
                        {others[0].extent, others[0].out},
                        {others[1].extent, others[1].out}};
    return call;
}

/// A copy of a view, dense in ONNX order.
Result<Buffer> dense_copy(Planner& planner, const Node& node, const Buffer& from,
                          std::vector<Step>& steps) {
    Shape shape;
    for (const Axis& axis : from.axes) {
        shape.push_back(axis.extent);
    }
    Buffer to = planner.arena.scratch(element_count(shape), from.type, dense_axes(shape));
    SLUICE_RETURN_IF_ERROR(append(steps, copy_step(planner, node, from, to)));
    return to;
}

Step product_step(const Planner& planner, const Node& node, const Call& call) {
    Step step;
    step.kernel = planner.kernel(Algorithm::mat_mul);
    step.node = node.name;
    step.shape = extents_of(call.a) + " * " + extents_of(call.b);
    step.macs = call.a.axes[0].extent;
    for (const Axis& axis : call.output.axes) {
        step.macs *= axis.extent;
    }
    step.work = 2 * step.macs;
    step.remark = node.remark;
    set_call(step, call);
    for (const int axis : {3, 2, 1}) {
        const std::int64_t extent = call.output.axes[std::size_t(axis)].extent;
        if (extent == 1) {
            continue;
        }
        step.split = {extent, {along(&Call::output, axis, 1)}, -1};
        step.split.along.push_back(along(&Call::a, axis, 1));
        if (axis > 1) {
            step.split.along.push_back(along(&Call::b, axis, 1));
        }
        break;
    }
    return step;
}

}  // namespace

Result<Lowered> lower_mat_mul(Planner& planner, const Node& node) {
    const auto& values = planner.graph.values;
    const std::size_t rank = values[std::size_t(node.outputs[0])].shape.size();
    auto a = matrix_operand(planner, node.inputs[0], rank);
    auto b = matrix_operand(planner, node.inputs[1], rank);
    const Status cannot = planner.unsupported(
        node,
        "multiplies " + to_string(values[std::size_t(node.inputs[0])].shape) + " by " +
            to_string(values[std::size_t(node.inputs[1])].shape),
        "give both sides the batch first and the same rank, or one constant side");
    if (!a || !b || rank < 3) {
        return cannot;
    }
    Lowered lowered;
    lowered.output = planner.layouts.allocate(node, false);
    Product p = product_of(*a, *b, view(lowered.output));
    merge_rows(p.rows);
    std::optional<Call> call;
    std::optional<Buffer> result;  // a dense one, which is copied to the output
    if (const auto dense = dense_rows(p, planner.lanes)) {
        call = along_rows(p, *dense);
    } else {
        if (p.b_output != 1) {
            const auto copy = dense_copy(planner, node, *b, lowered.steps);
            if (!copy.ok()) {
                return copy.status();
            }
            b = copy.value();
        }
        Buffer output = view(lowered.output);
        if (p.out_output != 1) {
            const Shape shape = planner.layouts.image_shape(node.outputs[0]);
            result = planner.arena.scratch(element_count(shape), output.type, dense_axes(shape));
            output = *result;
        }
        p = product_of(*a, *b, output);
        merge_rows(p.rows);
        call = along_outputs(p);
    }
    if (!call) {
        return cannot;
    }
    lowered.steps.push_back(product_step(planner, node, *call));
    lowered.macs = lowered.steps.back().macs;
    if (result) {
        SLUICE_RETURN_IF_ERROR(
            append(lowered.steps, copy_step(planner, node, *result, view(lowered.output))));
    }
    return lowered;
}

}  // namespace sluice
