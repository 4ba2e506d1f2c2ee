#include "passes/constant_arithmetic.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <type_traits>

#include "graph/shapes.h"
#include "passes/pick_elements.h"

namespace sluice {

namespace {

bool has_zero(const Constant& constant) {
    return std::visit([](const auto& data) { return std::count(data.begin(), data.end(), 0) > 0; },
                      constant.data);
}

/// The two's complement result: overflow in a broken file must stay defined.
std::int64_t wrap(std::uint64_t value) { return std::int64_t(value); }

/// x to the n, wrapped; 0 for n < 0, as integers have it for all x beyond 1.
std::uint64_t power(std::uint64_t x, std::int64_t n) {
    std::uint64_t result = n < 0 ? 0 : 1;
    for (; n > 0; n >>= 1, x *= x) {
        result *= n & 1 ? x : 1;
    }
    return result;
}

template <typename Element>
Element combine(Op op, Element a, Element b) {
    if constexpr (std::is_same_v<Element, float>) {
        switch (op) {
            case Op::add:
                return a + b;
            case Op::sub:
                return a - b;
            case Op::mul:
                return a * b;
            case Op::max:
                return a > b || std::isnan(a) ? a : b;
            case Op::min:
                return a < b || std::isnan(a) ? a : b;
            case Op::pow:
                return std::pow(a, b);
            default:
                return a / b;
        }
    } else {
        if (op == Op::max || op == Op::min) {
            return op == Op::max ? std::max(a, b) : std::min(a, b);
        }
        if (op == Op::pow) {
            return Element(wrap(power(std::uint64_t(a), std::int64_t(b))));
        }
        const auto x = std::uint64_t(a), y = std::uint64_t(b);
        if (op == Op::div) {
            return Element(std::int64_t(b) == -1 ? wrap(0 - x) : std::int64_t(a / b));
        }
        return Element(wrap(op == Op::add ? x + y : op == Op::sub ? x - y : x * y));
    }
}

/// compute(i, a[i], b[i]) of constants of one shape and type.
template <typename Compute>
Constant by_element(const Constant& a, const Constant& b, Compute compute) {
    Constant result{a.shape, {}};
    std::visit(
        [&](const auto& data) {
            using Data = std::decay_t<decltype(data)>;
            const auto& other = std::get<Data>(b.data);
            std::vector<typename Data::value_type> computed(data.size());
            for (std::size_t i = 0; i < data.size(); ++i) {
                computed[i] = compute(i, data[i], other[i]);
            }
            result.data = std::move(computed);
        },
        a.data);
    return result;
}

float unary_float(Op op, float x) {
    switch (op) {
        case Op::ceil:
            return std::ceil(x);
        case Op::exp:
            return std::exp(x);
        case Op::floor:
            return std::floor(x);
        case Op::neg:
            return -x;
        case Op::reciprocal:
            return 1 / x;
        case Op::sqrt:
            return std::sqrt(x);
        default:
            return std::abs(x);
    }
}

/// Sums in double precision, or in 64 bits.
template <typename Element>
std::vector<Element> reduced(Op op, std::span<const Element> x, const Shape& from,
                             const std::vector<std::int64_t>& strides, std::size_t count) {
    using Sum = std::conditional_t<std::is_same_v<Element, float>, double, std::uint64_t>;
    std::vector<Sum> sums(count, 0);
    std::vector<std::size_t> seen(count, 0);
    Shape at(from.size(), 0);
    for (const Element value : x) {
        std::size_t to = 0;
        for (std::size_t axis = 0; axis < at.size(); ++axis) {
            to += std::size_t(at[axis] * strides[axis]);
        }
        const Element before = Element(sums[to]);
        const bool replaces = op == Op::reduce_max   ? seen[to] == 0 || value > before
                              : op == Op::reduce_min ? seen[to] == 0 || value < before
                                                     : false;
        const bool adds = op == Op::reduce_sum || op == Op::reduce_mean;
        sums[to] = adds ? sums[to] + Sum(value) : replaces ? Sum(value) : sums[to];
        ++seen[to];
        for (std::size_t axis = at.size(); axis > 0 && ++at[axis - 1] == from[axis - 1];) {
            at[--axis] = 0;
        }
    }
    std::vector<Element> result(count);
    for (std::size_t i = 0; i < count; ++i) {
        const bool averages = op == Op::reduce_mean && seen[i] > 0;
        result[i] = averages && std::is_same_v<Element, float> ? Element(sums[i] / Sum(seen[i]))
                    : averages ? Element(std::int64_t(sums[i]) / std::int64_t(seen[i]))
                               : Element(sums[i]);
    }
    return result;
}

}  // namespace

Result<Constant> binary_constant(const Graph& graph, const Node& node, const Shape& shape) {
    const Constant a = spread_constant(constant_input(graph, node, 0), shape);
    const Constant b = spread_constant(constant_input(graph, node, 1), shape);
    const bool divides = node.op == Op::div && !b.is_float();
    if (a.type() != b.type() || (divides && has_zero(b))) {
        return error_at(graph, node, "mixes float and integer constants or divides by zero",
                        "export the model again");
    }
    if (node.op == Op::equal) {
        std::vector<std::int64_t> equal(std::size_t(element_count(shape)));
        by_element(a, b, [&](std::size_t i, auto x, auto y) {
            equal[i] = x == y;
            return x;
        });
        return Constant{shape, std::move(equal)};
    }
    return by_element(a, b, [&](std::size_t, auto x, auto y) { return combine(node.op, x, y); });
}

Result<Constant> several_constants(const Graph& graph, const Node& node, const Shape& shape) {
    const Op op = node.op == Op::mean ? Op::add : node.op == Op::sum ? Op::add : node.op;
    Constant result = spread_constant(constant_input(graph, node, 0), shape);
    for (std::size_t i = 1; i < node.inputs.size(); ++i) {
        const Constant next = spread_constant(constant_input(graph, node, i), shape);
        if (result.type() != next.type()) {
            return error_at(graph, node, "mixes float and integer constants",
                            "export the model again");
        }
        result = by_element(result, next,
                            [op](std::size_t, auto x, auto y) { return combine(op, x, y); });
    }
    if (node.op == Op::mean) {
        const auto count = node.inputs.size();
        result = by_element(result, result, [count](std::size_t, auto x, auto) {
            return decltype(x)(x / decltype(x)(count));
        });
    }
    return result;
}

Result<Constant> unary_constant(const Graph& graph, const Node& node) {
    const Constant& x = constant_input(graph, node, 0);
    if (!x.is_float() && node.op != Op::neg && node.op != Op::abs) {
        return error_at(graph, node, "computes from integers", "export the model again");
    }
    return by_element(x, x, [&](std::size_t, auto value, auto) {
        using Element = decltype(value);
        if constexpr (std::is_same_v<Element, float>) {
            return unary_float(node.op, value);
        } else {
            const bool turns = node.op == Op::neg || value < 0;
            return turns ? Element(wrap(0 - std::uint64_t(value))) : value;
        }
    });
}

Result<Constant> reduce_constant(const Graph& graph, const Node& node, const Shape& shape) {
    const Constant& x = constant_input(graph, node, 0);
    const auto axes = node_axes(graph, node, x.shape.size());
    if (!axes.ok()) {
        return axes.status();
    }
    const bool all = axes->empty() && graph.int_attribute(node, "noop_with_empty_axes", 0) == 0;
    std::vector<std::int64_t> strides(x.shape.size(), 0);
    std::int64_t stride = 1;
    for (std::size_t axis = strides.size(); axis-- > 0;) {
        if (!all && std::count(axes->begin(), axes->end(), axis) == 0) {
            strides[axis] = stride;
            stride *= x.shape[axis];
        }
    }
    Constant result{shape, {}};
    std::visit(
        [&](const auto& data) {
            using Element = typename std::decay_t<decltype(data)>::value_type;
            result.data = reduced<Element>(node.op, {data.data(), data.size()}, x.shape, strides,
                                           std::size_t(element_count(shape)));
        },
        x.data);
    return result;
}

Result<Constant> where_constant(const Graph& graph, const Node& node, const Shape& shape) {
    const Constant condition = spread_constant(constant_input(graph, node, 0), shape);
    const Constant yes = spread_constant(constant_input(graph, node, 1), shape);
    const Constant no = spread_constant(constant_input(graph, node, 2), shape);
    if (!condition.is_int64() || yes.type() != no.type()) {
        return error_at(graph, node, "mixes float and integer constants", "export the model again");
    }
    return by_element(yes, no,
                      [&](std::size_t i, auto x, auto y) { return condition.ints()[i] ? x : y; });
}

}  // namespace sluice
