#include <Halide.h>

#include "generators/elementary.h"
#include "schedules/pointwise.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

enum class Operation {
    abs,
    elu,
    erf,
    exp,
    gelu,
    gelu_tanh,
    hard_swish,
    leaky_relu,
    log,
    mish,
    sigmoid,
    silu,
    softplus,
    softsign,
    sqrt,
    tanh,
    threshold
};

/// output = f(input), element by element, float32, as ActivationKind of runtime/graph/graph.h
/// states it. NaN gives NaN, and infinities what the formula gives.
class Activation : public Generator<Activation> {
public:
    GeneratorParam<Operation> operation{"operation",
                                        Operation::sigmoid,
                                        {{"abs", Operation::abs},
                                         {"elu", Operation::elu},
                                         {"erf", Operation::erf},
                                         {"exp", Operation::exp},
                                         {"gelu", Operation::gelu},
                                         {"gelu_tanh", Operation::gelu_tanh},
                                         {"hard_swish", Operation::hard_swish},
                                         {"leaky_relu", Operation::leaky_relu},
                                         {"log", Operation::log},
                                         {"mish", Operation::mish},
                                         {"sigmoid", Operation::sigmoid},
                                         {"silu", Operation::silu},
                                         {"softplus", Operation::softplus},
                                         {"softsign", Operation::softsign},
                                         {"sqrt", Operation::sqrt},
                                         {"tanh", Operation::tanh},
                                         {"threshold", Operation::threshold}}};

    /// (d0, d1, d2, d3), strides any; zero repeats.
    Input<Buffer<float, 4>> input{"input"};
    Input<float> alpha{"alpha"};
    Input<float> beta{"beta"};
    /// Dense along d0.
    Output<Buffer<float, 4>> output{"output"};

    void generate() { output(d0, d1, d2, d3) = of(input(d0, d1, d2, d3)); }

    void schedule() {
        input.dim(0).set_stride(Expr());
        for (int i = 0; i < 4; ++i) {
            input.dim(i).set_min(0);
            output.dim(i).set_min(0);
        }
        sluice::schedules::schedule_pointwise({output, d0, {input.dim(0).stride() == 1}},
                                              {natural_vector_size<float>()});
    }

private:
    Expr of(const Expr& x) {
        switch (operation) {
            case Operation::abs:
                return magnitude(x);
            case Operation::elu: {
                Expr negative = strict::mul(alpha, negative_expm1(x));
                return strict::mul(beta, choose(strict::less(0.0f, x), x, negative));
            }
            case Operation::erf:
                return full_erf(x);
            case Operation::exp:
                return full_exp(x);
            case Operation::gelu: {
                Expr half = strict::add(0.5f, strict::mul(0.5f, full_erf(x * 0.707106781f)));
                return strict::mul(x, half);
            }
            case Operation::gelu_tanh:
                return strict::mul(x, gelu_gate(x));
            case Operation::hard_swish:
                return full_hard_swish(x, alpha, beta);
            case Operation::leaky_relu:
                return choose(strict::less(x, 0.0f), strict::mul(alpha, x), x);
            case Operation::log:
                return full_log(x);
            case Operation::mish:
                return strict::mul(x, tanh_of_softplus(x));
            case Operation::sigmoid:
                return full_sigmoid(x);
            case Operation::silu:
                return full_silu(x, alpha);
            case Operation::softplus:
                return full_softplus(x);
            case Operation::softsign:
                return strict::div(x, strict::add(1.0f, magnitude(x)));
            case Operation::sqrt:
                return strict_float(Halide::sqrt(x));
            case Operation::tanh:
                return full_tanh(x);
            case Operation::threshold:
                return choose(strict::less(alpha, x), x, 0.0f);
        }
        return {};
    }

    Var d0{"d0"}, d1{"d1"}, d2{"d2"}, d3{"d3"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(Activation, activation)
