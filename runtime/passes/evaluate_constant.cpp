#include "passes/evaluate_constant.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "graph/shapes.h"

namespace sluice {

namespace {

using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;

using Shared = std::shared_ptr<const Constant>;

Shared share(Constant constant) { return std::make_shared<const Constant>(std::move(constant)); }

const Constant& input(const Graph& graph, const Node& node, std::size_t index) {
    return *graph.constant(node.inputs[index]);
}

/// The two's complement result: overflow in a broken file must stay defined.
std::int64_t wrap(std::uint64_t value) { return std::int64_t(value); }

/// Distance between neighbours along each axis of `shape`, for a tensor of this shape read as one
/// of `rank` axes; 0 where it is broadcast.
std::vector<std::int64_t> broadcast_strides(const Shape& shape, std::size_t rank) {
    std::vector<std::int64_t> strides(rank, 0);
    std::int64_t stride = 1;
    for (std::size_t i = 1; i <= shape.size(); ++i) {
        const std::int64_t extent = shape[shape.size() - i];
        strides[rank - i] = extent == 1 ? 0 : stride;
        stride *= extent;
    }
    return strides;
}

std::vector<std::int64_t> dense_strides(const Shape& shape) {
    std::vector<std::int64_t> strides(shape.size(), 1);
    for (std::size_t axis = shape.size(); axis > 1; --axis) {
        strides[axis - 2] = strides[axis - 1] * shape[axis - 1];
    }
    return strides;
}

/// Calls visit(index) for every index of a shape, the last extent running fastest.
template <typename Visit>
void for_each_index(const Shape& shape, Visit visit) {
    const std::int64_t count = element_count(shape);
    Shape at(shape.size(), 0);
    for (std::int64_t i = 0; i < count; ++i) {
        visit(at);
        for (std::size_t axis = shape.size(); axis > 0; --axis) {
            if (++at[axis - 1] < shape[axis - 1]) {
                break;
            }
            at[axis - 1] = 0;
        }
    }
}

/// The elements of x at offset(index) for every index of the output; -1 takes `fill`.
Constant pick(const Constant& x, const Shape& shape,
              const std::function<std::int64_t(const Shape&)>& offset, double fill = 0) {
    Constant result;
    result.shape = shape;
    std::visit(
        [&](const auto& source) {
            std::decay_t<decltype(source)> picked;
            using Element = typename std::decay_t<decltype(source)>::value_type;
            picked.reserve(std::size_t(element_count(shape)));
            for_each_index(shape, [&](const Shape& at) {
                const std::int64_t from = offset(at);
                picked.push_back(from < 0 ? Element(fill) : source[std::size_t(from)]);
            });
            result.data = std::move(picked);
        },
        x.data);
    return result;
}

Constant pick_strided(const Constant& x, const Shape& shape,
                      const std::vector<std::int64_t>& strides, std::int64_t start = 0) {
    return pick(x, shape, [&](const Shape& at) {
        std::int64_t from = start;
        for (std::size_t axis = 0; axis < at.size(); ++axis) {
            from += at[axis] * strides[axis];
        }
        return from;
    });
}

Constant spread(const Constant& x, const Shape& shape) {
    return pick_strided(x, shape, broadcast_strides(x.shape, shape.size()));
}

template <typename Element>
Element combine(Op op, Element a, Element b) {
    if constexpr (std::is_same_v<Element, float>) {
        return op == Op::add ? a + b : op == Op::sub ? a - b : op == Op::mul ? a * b : a / b;
    } else {
        const auto x = std::uint64_t(a), y = std::uint64_t(b);
        if (op == Op::div) {
            return b == -1 ? wrap(0 - x) : a / b;
        }
        return wrap(op == Op::add ? x + y : op == Op::sub ? x - y : x * y);
    }
}

Result<Constant> binary(const Graph& graph, const Node& node, const Shape& shape) {
    Constant a = spread(input(graph, node, 0), shape);
    const Constant b = spread(input(graph, node, 1), shape);
    const bool divides = node.op == Op::div && !b.is_float();
    if (a.is_float() != b.is_float() ||
        (divides && std::count(b.ints().begin(), b.ints().end(), 0) > 0)) {
        return error_at(graph, node, "mixes float and integer constants or divides by zero",
                        "export the model again");
    }
    if (node.op == Op::equal) {
        Ints equal(std::size_t(element_count(shape)));
        for (std::size_t i = 0; i < equal.size(); ++i) {
            equal[i] = a.is_float() ? a.floats()[i] == b.floats()[i] : a.ints()[i] == b.ints()[i];
        }
        return Constant{shape, std::move(equal)};
    }
    std::visit(
        [&](auto& data) {
            const auto& other = std::get<std::decay_t<decltype(data)>>(b.data);
            for (std::size_t i = 0; i < data.size(); ++i) {
                data[i] = combine(node.op, data[i], other[i]);
            }
        },
        a.data);
    return a;
}

Result<Constant> where(const Graph& graph, const Node& node, const Shape& shape) {
    const Constant condition = spread(input(graph, node, 0), shape);
    Constant yes = spread(input(graph, node, 1), shape);
    const Constant no = spread(input(graph, node, 2), shape);
    if (condition.is_float() || yes.is_float() != no.is_float()) {
        return error_at(graph, node, "mixes float and integer constants", "export the model again");
    }
    std::visit(
        [&](auto& data) {
            const auto& other = std::get<std::decay_t<decltype(data)>>(no.data);
            for (std::size_t i = 0; i < data.size(); ++i) {
                data[i] = condition.ints()[i] ? data[i] : other[i];
            }
        },
        yes.data);
    return yes;
}

/// What an integer becomes in ONNX's element type `to`, as C++ converts it.
std::int64_t narrow(std::int64_t value, std::int64_t to) {
    constexpr std::int64_t uint8 = 2, int8 = 3, uint16 = 4, int16 = 5, int32 = 6, boolean = 9,
                           uint32 = 12;
    switch (to) {
        case uint8:
            return std::uint8_t(value);
        case int8:
            return std::int8_t(value);
        case uint16:
            return std::uint16_t(value);
        case int16:
            return std::int16_t(value);
        case int32:
            return std::int32_t(value);
        case boolean:
            return value != 0;
        case uint32:
            return std::uint32_t(value);
        default:
            return value;
    }
}

Result<Shared> cast(const Graph& graph, const Node& node) {
    constexpr std::int64_t onnx_bool = 9;
    const Constant& x = input(graph, node, 0);
    const bool to_float = graph.values[std::size_t(node.outputs[0])].is_float;
    const std::int64_t to = graph.int_attribute(node, "to", 1);
    if (to_float) {
        return x.is_float() ? graph.values[std::size_t(node.inputs[0])].constant
                            : share({x.shape, Floats(x.ints().begin(), x.ints().end())});
    }
    Ints ints;
    if (!x.is_float()) {
        ints.reserve(x.ints().size());
        for (const std::int64_t value : x.ints()) {
            ints.push_back(narrow(value, to));
        }
    } else {
        ints.reserve(x.floats().size());
        for (const float value : x.floats()) {
            if (to != onnx_bool && !(std::abs(value) < 9e18f)) {
                return error_at(graph, node, "casts a float that no int64 holds",
                                "export the model again");
            }
            ints.push_back(to == onnx_bool ? value != 0 : narrow(std::int64_t(value), to));
        }
    }
    return share({x.shape, std::move(ints)});
}

Constant concat(const Graph& graph, const Node& node, const Shape& shape) {
    const std::size_t axis = *normalize_axis(graph.int_attribute(node, "axis", 0), shape.size());
    Constant result{shape, {}};
    std::visit(
        [&](const auto& first) {
            using Data = std::decay_t<decltype(first)>;
            Data data;
            data.reserve(std::size_t(element_count(shape)));
            const auto split = shape.begin() + std::ptrdiff_t(axis);
            const std::int64_t rows = element_count(Shape(shape.begin(), split));
            for (std::int64_t row = 0; row < rows; ++row) {
                for (ValueId id : node.inputs) {
                    const auto& part = std::get<Data>(graph.constant(id)->data);
                    const std::ptrdiff_t size = std::ptrdiff_t(part.size()) / rows;
                    data.insert(data.end(), part.begin() + row * size,
                                part.begin() + (row + 1) * size);
                }
            }
            result.data = std::move(data);
        },
        input(graph, node, 0).data);
    return result;
}

Result<Constant> gather(const Graph& graph, const Node& node, const Shape& shape) {
    const Constant& x = input(graph, node, 0);
    const Constant& indices = input(graph, node, 1);
    const std::size_t axis = *normalize_axis(graph.int_attribute(node, "axis", 0), x.shape.size());
    const auto is_index = [&](std::int64_t index) {
        return index >= -x.shape[axis] && index < x.shape[axis];
    };
    if (indices.is_float() ||
        !std::all_of(indices.ints().begin(), indices.ints().end(), is_index)) {
        return error_at(graph, node, "has indices outside its input " + to_string(x.shape),
                        "export the model again");
    }
    const auto x_strides = dense_strides(x.shape);
    const auto index_strides = dense_strides(indices.shape);
    const std::size_t index_rank = indices.shape.size();
    return pick(x, shape, [&](const Shape& at) {
        std::int64_t place = 0;
        for (std::size_t i = 0; i < index_rank; ++i) {
            place += at[axis + i] * index_strides[i];
        }
        const std::int64_t index = indices.ints()[std::size_t(place)];
        std::int64_t from = (index < 0 ? index + x.shape[axis] : index) * x_strides[axis];
        for (std::size_t i = 0; i < x.shape.size(); ++i) {
            from += i == axis ? 0 : at[i < axis ? i : i + index_rank - 1] * x_strides[i];
        }
        return from;
    });
}

Result<Constant> slice(const Graph& graph, const Node& node, const Shape& shape) {
    const Constant& x = input(graph, node, 0);
    const Result<std::vector<SliceRange>> ranges = slice_ranges(graph, node);
    if (!ranges.ok()) {
        return ranges.status();
    }
    auto strides = dense_strides(x.shape);
    std::int64_t start = 0;
    for (std::size_t axis = 0; axis < strides.size(); ++axis) {
        start += ranges.value()[axis].start * strides[axis];
        // A step past the end is never taken: one element has no neighbour.
        strides[axis] *= ranges.value()[axis].count > 1 ? ranges.value()[axis].step : 0;
    }
    return pick_strided(x, shape, strides, start);
}

Result<Constant> pad(const Graph& graph, const Node& node, const Shape& shape) {
    const Constant& x = input(graph, node, 0);
    const Result<Ints> pads = pad_extents(graph, node);
    if (!pads.ok()) {
        return pads.status();
    }
    if (graph.string_attribute(node, "mode", "constant") != "constant") {
        return error_at(graph, node, "pads a constant by mode other than constant",
                        "simplify the model with onnxsim");
    }
    double fill = 0;
    if (node.inputs.size() > 2 && node.inputs[2] != no_value) {
        const Constant& value = input(graph, node, 2);
        if (element_count(value.shape) != 1 || value.is_float() != x.is_float()) {
            return error_at(graph, node, "has a pad value that is no scalar of its input's type",
                            "export the model again");
        }
        fill = value.is_float() ? double(value.floats()[0]) : double(value.ints()[0]);
    }
    const auto strides = dense_strides(x.shape);
    return pick(
        x, shape,
        [&](const Shape& at) {
            std::int64_t from = 0;
            for (std::size_t axis = 0; axis < at.size(); ++axis) {
                const std::int64_t place = at[axis] - pads.value()[axis];
                if (place < 0 || place >= x.shape[axis]) {
                    return std::int64_t(-1);
                }
                from += place * strides[axis];
            }
            return from;
        },
        fill);
}

Constant transpose(const Graph& graph, const Node& node, const Shape& shape) {
    const Constant& x = input(graph, node, 0);
    Ints reversed;
    for (std::size_t axis = shape.size(); axis > 0; --axis) {
        reversed.push_back(std::int64_t(axis) - 1);
    }
    const auto strides = dense_strides(x.shape);
    std::vector<std::int64_t> moved;
    for (std::int64_t axis : graph.ints_attribute(node, "perm", reversed)) {
        moved.push_back(strides[std::size_t(axis)]);
    }
    return pick_strided(x, shape, moved);
}

Shared from_attributes(const Node& node, const Shape& shape) {
    for (const auto& [name, attribute] : node.attributes) {
        if (const auto* tensor = std::get_if<Shared>(&attribute)) {
            return *tensor;
        }
        if (const auto* ints = std::get_if<Ints>(&attribute)) {
            return share({shape, *ints});
        }
        if (const auto* floats = std::get_if<Floats>(&attribute)) {
            return share({shape, *floats});
        }
        if (const auto* number = std::get_if<std::int64_t>(&attribute); number && shape.empty()) {
            return share({shape, Ints{*number}});
        }
        if (const auto* number = std::get_if<float>(&attribute); number && shape.empty()) {
            return share({shape, Floats{*number}});
        }
    }
    return share({shape, Floats(std::size_t(element_count(shape)), 0.0f)});
}

/// The same elements in another shape.
Constant reshaped(const Constant& x, const Shape& shape) {
    Constant result{shape, {}};
    // A variant's own copy is not safe where memory ends: GCC's destroys what was not made.
    std::visit([&](auto data) { result.data = std::move(data); }, x.data);
    return result;
}

Result<Constant> constant_of_shape(const Graph& graph, const Node& node, const Shape& shape) {
    const auto value = node.attributes.find("value");
    if (value == node.attributes.end()) {
        return Constant{shape, Floats(std::size_t(element_count(shape)), 0.0f)};
    }
    const auto* tensor = std::get_if<std::shared_ptr<const Constant>>(&value->second);
    if (!tensor || element_count((*tensor)->shape) != 1) {
        return error_at(graph, node, "has a value that is not one number",
                        "export the model again");
    }
    return pick(**tensor, shape, [](const Shape&) { return std::int64_t(0); });
}

Constant range(const Graph& graph, const Node& node, const Shape& shape) {
    Ints numbers(std::size_t(shape.front()), 0);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        numbers[i] =
            input(graph, node, 0).ints()[0] + std::int64_t(i) * input(graph, node, 2).ints()[0];
    }
    return Constant{shape, std::move(numbers)};
}

Constant shape_of(const Graph& graph, const Node& node, const Shape& shape) {
    const Shape& x = graph.values[std::size_t(node.inputs[0])].shape;
    const std::int64_t rank = std::int64_t(x.size());
    const std::int64_t start = graph.int_attribute(node, "start", 0);
    const auto first = std::clamp<std::int64_t>(start < 0 ? start + rank : start, 0, rank);
    return Constant{shape, Ints(x.begin() + first, x.begin() + first + shape[0])};
}

Result<Constant> evaluate(const Graph& graph, const Node& node, const Shape& shape) {
    switch (node.op) {
        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::div:
        case Op::equal:
            return binary(graph, node, shape);
        case Op::concat: {
            const bool is_float = input(graph, node, 0).is_float();
            for (ValueId id : node.inputs) {
                if (graph.constant(id)->is_float() != is_float) {
                    return error_at(graph, node, "mixes float and integer constants",
                                    "export the model again");
                }
            }
            return concat(graph, node, shape);
        }
        case Op::constant_of_shape:
            return constant_of_shape(graph, node, shape);
        case Op::expand:
            return spread(input(graph, node, 0), shape);
        case Op::flatten:
        case Op::reshape:
        case Op::squeeze:
        case Op::unsqueeze:
            return reshaped(input(graph, node, 0), shape);
        case Op::gather:
            return gather(graph, node, shape);
        case Op::pad:
            return pad(graph, node, shape);
        case Op::range:
            return range(graph, node, shape);
        case Op::shape:
            return shape_of(graph, node, shape);
        case Op::slice:
            return slice(graph, node, shape);
        case Op::transpose:
            return transpose(graph, node, shape);
        case Op::where:
            return where(graph, node, shape);
        default:
            break;
    }
    return error_at(graph, node, "computes from constants alone, which Sluice does not fold",
                    "simplify the model with onnxsim");
}

}  // namespace

std::int64_t evaluated_elements(const Graph& graph, const Node& node) {
    if (node.op == Op::identity || node.op == Op::constant) {
        return 0;
    }
    const std::int64_t elements = element_count(graph.values[std::size_t(node.outputs[0])].shape);
    // All indices are checked, also those that pick nothing.
    return node.op == Op::gather ? std::max(elements, element_count(input(graph, node, 1).shape))
                                 : elements;
}

Result<Shared> evaluate_constant(const Graph& graph, const Node& node) {
    const Shape& shape = graph.values[std::size_t(node.outputs[0])].shape;
    if (node.op == Op::identity) {
        return graph.values[std::size_t(node.inputs[0])].constant;
    }
    if (node.op == Op::cast) {
        return cast(graph, node);
    }
    if (node.op == Op::constant) {
        return from_attributes(node, shape);
    }
    Result<Constant> constant = evaluate(graph, node, shape);
    if (!constant.ok()) {
        return constant.status();
    }
    return share(std::move(constant).value());
}

}  // namespace sluice
