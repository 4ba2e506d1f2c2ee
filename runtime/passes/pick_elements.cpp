#include "passes/pick_elements.h"

#include <algorithm>

#include "graph/shapes.h"

namespace sluice {
namespace {

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

}  // namespace

const Constant& constant_input(const Graph& graph, const Node& node, std::size_t index) {
    return *graph.constant(node.inputs[index]);
}

Constant pick(const Constant& x, const Shape& shape,
              const std::function<std::int64_t(const Shape&)>& offset, double fill) {
    Constant result;
    result.shape = shape;
    std::visit(
        [&](const auto& source) {
            using Element = typename std::decay_t<decltype(source)>::value_type;
            std::vector<Element> picked;
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

namespace {

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

}  // namespace

Constant spread_constant(const Constant& x, const Shape& shape) {
    return pick_strided(x, shape, broadcast_strides(x.shape, shape.size()));
}

Constant concat_constants(const Graph& graph, const Node& node, const Shape& shape) {
    const std::size_t axis = *normalize_axis(graph.int_attribute(node, "axis", 0), shape.size());
    Constant result{shape, {}};
    std::visit(
        [&](const auto& first) {
            using Data = std::decay_t<decltype(first)>;
            std::vector<typename Data::value_type> data;
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
        constant_input(graph, node, 0).data);
    return result;
}

Result<Constant> gather_constant(const Graph& graph, const Node& node, const Shape& shape) {
    const Constant& x = constant_input(graph, node, 0);
    const Constant& indices = constant_input(graph, node, 1);
    const std::size_t axis = *normalize_axis(graph.int_attribute(node, "axis", 0), x.shape.size());
    const auto is_index = [&](std::int64_t index) {
        return index >= -x.shape[axis] && index < x.shape[axis];
    };
    if (!indices.is_int64() ||
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

Result<Constant> slice_constant(const Graph& graph, const Node& node, const Shape& shape) {
    const Constant& x = constant_input(graph, node, 0);
    const Result<std::vector<SliceRange>> ranges =
        node.op == Op::split ? split_ranges(graph, node) : slice_ranges(graph, node);
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

Result<Constant> pad_constant(const Graph& graph, const Node& node, const Shape& shape) {
    const Constant& x = constant_input(graph, node, 0);
    const Result<std::vector<std::int64_t>> pads = pad_extents(graph, node);
    if (!pads.ok()) {
        return pads.status();
    }
    if (graph.string_attribute(node, "mode", "constant") != "constant") {
        return error_at(graph, node, "pads a constant by mode other than constant",
                        "simplify the model with onnxsim");
    }
    double fill = 0;
    if (node.inputs.size() > 2 && node.inputs[2] != no_value) {
        const Constant& value = constant_input(graph, node, 2);
        if (element_count(value.shape) != 1 || value.type() != x.type()) {
            return error_at(graph, node, "has a pad value that is no scalar of its input's type",
                            "export the model again");
        }
        fill = std::visit([](const auto& data) { return double(data.front()); }, value.data);
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

Constant transpose_constant(const Graph& graph, const Node& node, const Shape& shape) {
    const Constant& x = constant_input(graph, node, 0);
    const auto strides = dense_strides(x.shape);
    std::vector<std::int64_t> moved;
    for (std::int64_t axis : transpose_order(graph, node)) {
        moved.push_back(strides[std::size_t(axis)]);
    }
    return pick_strided(x, shape, moved);
}

Constant tile_constant(const Graph& graph, const Node& node, const Shape& shape) {
    const Constant& x = constant_input(graph, node, 0);
    const auto strides = dense_strides(x.shape);
    return pick(x, shape, [&](const Shape& at) {
        std::int64_t from = 0;
        for (std::size_t axis = 0; axis < at.size(); ++axis) {
            from += at[axis] % x.shape[axis] * strides[axis];
        }
        return from;
    });
}

Constant reshape_constant(const Constant& x, const Shape& shape) {
    Constant result{shape, {}};
    // A variant's own copy is not safe where memory ends: GCC's destroys what was not made.
    std::visit([&](auto data) { result.data = std::move(data); }, x.data);
    return result;
}

}  // namespace sluice
