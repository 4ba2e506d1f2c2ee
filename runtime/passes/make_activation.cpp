#include <cmath>
#include <optional>
#include <vector>

#include "passes/edit.h"
#include "passes/links.h"
#include "passes/passes.h"

namespace sluice {
namespace {

using Kind = ActivationKind;

/// What an operator is as an activation by itself.
std::optional<Activation> activation_of(const Graph& graph, const Node& node) {
    const auto number = [&](const char* name, float fallback) {
        return graph.float_attribute(node, name, fallback);
    };
    switch (node.op) {
        case Op::abs:
            return Activation{Kind::abs};
        case Op::elu:
            return Activation{Kind::elu, number("alpha", 1)};
        case Op::erf:
            return Activation{Kind::erf};
        case Op::exp:
            return Activation{Kind::exp};
        case Op::gelu:
            return Activation{graph.string_attribute(node, "approximate", "none") == "tanh"
                                  ? Kind::gelu_tanh
                                  : Kind::gelu};
        case Op::hard_swish:
            return Activation{Kind::hard_swish, 1.0F / 6, 0.5F};
        case Op::leaky_relu:
            return Activation{Kind::leaky_relu, number("alpha", 0.01F)};
        case Op::log:
            return Activation{Kind::log};
        case Op::mish:
            return Activation{Kind::mish};
        case Op::selu:
            return Activation{Kind::elu, number("alpha", 1.67326319F),
                              number("gamma", 1.05070102F)};
        case Op::sigmoid:
            return Activation{Kind::sigmoid};
        case Op::softplus:
            return Activation{Kind::softplus};
        case Op::softsign:
            return Activation{Kind::softsign};
        case Op::sqrt:
            return Activation{Kind::sqrt};
        case Op::swish:
            return Activation{Kind::silu, number("alpha", 1)};
        case Op::tanh:
            return Activation{Kind::tanh};
        case Op::thresholded_relu:
            return Activation{Kind::threshold, number("alpha", 1)};
        default:
            return std::nullopt;
    }
}

/// A PRelu of one slope is a LeakyRelu.
std::optional<Activation> one_slope(const Graph& graph, const Node& node) {
    const Constant* slopes = node.op == Op::p_relu ? graph.constant(node.inputs[1]) : nullptr;
    const bool is_one = slopes != nullptr && slopes->is_float() && !slopes->floats().empty() &&
                        all_equal(slopes->floats(), slopes->floats()[0]);
    return is_one ? std::optional(Activation{Kind::leaky_relu, slopes->floats()[0]}) : std::nullopt;
}

bool is_near(double value, double expected) {
    return std::abs(value - expected) <= 1e-6 * std::abs(expected);
}

/// scale * (value `id`) + shift.
struct Point {
    ValueId id;
    double scale = 1, shift = 0;
};

/// An affine of one scale and one shift; null of any other node.
const Affine* scalar_affine(const Node* node) {
    const bool is_scalar = node != nullptr && node->op == Op::affine &&
                           all_equal(node->affine->scale, node->affine->scale[0]) &&
                           all_equal(node->affine->shift, node->affine->shift[0]);
    return is_scalar ? &*node->affine : nullptr;
}

Point before(const Point& p, const Node& node) {
    const double scale = node.affine->scale[0], shift = node.affine->shift[0];
    return {node.inputs[0], p.scale * scale, p.shift + p.scale * shift};
}

/// A point, in terms of each value that affines without clamps make it of; the farthest last.
std::vector<Point> chain_of(const Links& links, Point p) {
    std::vector<Point> points = {p};
    while (true) {
        const Node* node = links.producer(points.back().id);
        const Affine* affine = scalar_affine(node);
        if (affine == nullptr || !affine->clamp.is_none()) {
            return points;
        }
        points.push_back(before(points.back(), *node));
    }
}

/// An activation, times a factor.
struct Scaled {
    Activation activation;
    ValueId x;
    double factor;
};

/// The first value of which `a` is a multiple and `argument` another, plus a shift.
struct Common {
    ValueId x;
    double multiple, scale, shift;
};

std::optional<Common> common_of(const std::vector<Point>& a, const std::vector<Point>& argument) {
    for (const Point& p : a) {
        for (const Point& q : argument) {
            if (p.id == q.id && p.shift == 0) {
                return Common{p.id, p.scale, q.scale, q.shift};
            }
        }
    }
    return std::nullopt;
}

bool is_square(const Node* node, ValueId x) {
    return node != nullptr && node->op == Op::mul && node->inputs[0] == x && node->inputs[1] == x;
}

bool is_cube(const Links& links, ValueId id, ValueId x) {
    const Node* node = links.producer(id);
    return node != nullptr && node->op == Op::mul &&
           ((node->inputs[0] == x && is_square(links.producer(node->inputs[1]), x)) ||
            (node->inputs[1] == x && is_square(links.producer(node->inputs[0]), x)));
}

/// Whether the value is sqrt(2 / pi) * (x + 0.044715 * x^3).
bool is_gelu_argument(const Links& links, ValueId id, ValueId x) {
    const Point sum = chain_of(links, {id}).back();
    const Node* node = links.producer(sum.id);
    if (node == nullptr || node->op != Op::add || sum.shift != 0) {
        return false;
    }
    for (const std::size_t i : {0U, 1U}) {
        const Point cube = chain_of(links, {node->inputs[i]}).back();
        const auto line = common_of({Point{x}}, chain_of(links, {node->inputs[1 - i]}));
        if (line && line->shift == 0 && cube.shift == 0 && is_cube(links, cube.id, x)) {
            return is_near(sum.scale * line->scale, 0.79788456) &&
                   is_near(sum.scale * cube.scale / 0.79788456, 0.044715);
        }
    }
    return false;
}

/// `a` times gate.scale * clip(...) + gate.shift.
std::optional<Scaled> clipped_product(const Links& links, const std::vector<Point>& a,
                                      const Point& gate, const Node& clip) {
    const Clamp& clamp = clip.affine->clamp;
    const auto common = common_of(a, chain_of(links, before({clip.outputs[0]}, clip)));
    if (!common || gate.shift != 0 || clamp.low != 0 || !(clamp.high > 0) ||
        !std::isfinite(clamp.high)) {
        return std::nullopt;
    }
    const double high = clamp.high;
    return Scaled{{Kind::hard_swish, float(common->scale / high), float(common->shift / high)},
                  common->x,
                  common->multiple * gate.scale * high};
}

/// `a` times gate.scale * f(...) + gate.shift.
std::optional<Scaled> curved_product(const Links& links, const std::vector<Point>& a,
                                     const Point& gate, const Node& f) {
    const bool adds_one = gate.shift == gate.scale;
    const auto common = common_of(a, chain_of(links, {f.inputs[0]}));
    const bool is_line = common && common->shift == 0;
    switch (f.activation->kind) {
        case Kind::erf:
            if (is_line && adds_one && is_near(common->scale, 0.70710678)) {
                return Scaled{{Kind::gelu}, common->x, 2 * common->multiple * gate.scale};
            }
            break;
        case Kind::sigmoid:
            if (is_line && gate.shift == 0) {
                return Scaled{
                    {Kind::silu, float(common->scale)}, common->x, common->multiple * gate.scale};
            }
            break;
        case Kind::tanh:
            for (const Point& p : a) {
                const Node* inner = links.producer(f.inputs[0]);
                if (p.shift == 0 && gate.shift == 0 && inner != nullptr && inner->activation &&
                    inner->activation->kind == Kind::softplus && inner->inputs[0] == p.id) {
                    return Scaled{{Kind::mish}, p.id, p.scale * gate.scale};
                }
                if (p.shift == 0 && adds_one && is_gelu_argument(links, f.inputs[0], p.id)) {
                    return Scaled{{Kind::gelu_tanh}, p.id, 2 * p.scale * gate.scale};
                }
            }
            break;
        default:
            break;
    }
    return std::nullopt;
}

/// What a product of a value and a function of it is.
std::optional<Scaled> product_of(const Links& links, const Node& node) {
    for (const std::size_t i : {0U, 1U}) {
        if (links.graph().constant(node.inputs[0]) != nullptr ||
            links.graph().constant(node.inputs[1]) != nullptr) {
            return std::nullopt;
        }
        const auto a = chain_of(links, {node.inputs[i]});
        const Point gate = chain_of(links, {node.inputs[1 - i]}).back();
        const Node* f = links.producer(gate.id);
        std::optional<Scaled> found;
        if (scalar_affine(f) != nullptr) {
            found = clipped_product(links, a, gate, *f);
        } else if (f != nullptr && f->op == Op::activation) {
            found = curved_product(links, a, gate, *f);
        }
        if (found) {
            return found;
        }
    }
    return std::nullopt;
}

/// Makes a product the activation that it is, where what follows takes its factor away.
void fuse_product(Links& links, Node& node) {
    const auto product = product_of(links, node);
    if (!product) {
        return;
    }
    std::vector<Node*> followers;
    double factor = product->factor;
    ValueId y = node.outputs[0];
    while (!is_near(factor, 1)) {
        Node* next = links.sole_reader(y);
        const Affine* affine = scalar_affine(next);
        if (affine == nullptr || affine->shift[0] != 0) {
            return;
        }
        factor *= affine->scale[0];
        followers.push_back(next);
        y = next->outputs[0];
        if (!affine->clamp.is_none()) {
            return;
        }
    }
    for (Node* next : followers) {
        links.absorb(node, *next);
    }
    links.become(node, Op::activation, {product->x});
    node.activation = product->activation;
}

}  // namespace

Status make_activation(Graph& graph) {
    for (Node& node : graph.nodes) {
        auto activation = activation_of(graph, node);
        if (!activation) {
            activation = one_slope(graph, node);
        }
        if (activation) {
            node.op = Op::activation;
            node.inputs.resize(1);
            node.attributes.clear();
            node.activation = activation;
        }
    }
    Links links(graph);
    for (Node& node : graph.nodes) {
        if (node.op == Op::mul) {
            fuse_product(links, node);
        }
    }
    remove_dead_nodes(graph);
    return {};
}

}  // namespace sluice
