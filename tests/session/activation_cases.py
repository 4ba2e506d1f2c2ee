"""Networks of the activations that exporters write, as one operator or as several."""

import numpy as np

from net import RANDOM, Net

SQRT_HALF = np.float32(0.70710678)


def after_conv(build, shape=(1, 17, 9, 7), scale=3):
    """What `build` adds behind a convolution, so that it meets padded lanes, and a convolution."""
    net = Net(*shape)
    x = net.op("Mul", net.conv("x", shape[1], shape[1]), net.weight(np.float32(scale)))
    y = build(net, net.op("MaxPool", x, kernel_shape=[1, 1]))
    return net.finish(net.conv(y, shape[1], 5)), shape


def named(op, **attributes):
    return lambda net, x: net.op(op, x, **attributes)


def gelu_by_erf(place):
    def build(net, x):
        c = lambda value: net.weight(np.float32(value))
        erf = net.op("Erf", net.op("Div", x, c(1.41421354)))
        if place == "first":
            return net.op("Mul", net.op("Mul", x, c(0.5)), net.op("Add", erf, c(1)))
        if place == "inside":
            return net.op("Mul", x, net.op("Mul", net.op("Add", c(1), erf), c(0.5)))
        return net.op("Mul", net.op("Mul", x, net.op("Add", erf, c(1))), c(0.5))
    return build


def gelu_by_tanh(net, x):
    c = lambda value: net.weight(np.float32(value))
    cube = net.op("Pow", x, c(3))
    inner = net.op("Mul", net.op("Add", x, net.op("Mul", cube, c(0.044715))), c(0.7978845608))
    return net.op("Mul", net.op("Mul", x, c(0.5)), net.op("Add", net.op("Tanh", inner), c(1)))


def hard_swish_by_clip(divides_last):
    def build(net, x):
        six, three, zero = (net.weight(np.float32(v)) for v in (6, 3, 0))
        clip = net.op("Clip", net.op("Add", x, three), zero, six)
        return (net.op("Div", net.op("Mul", x, clip), six) if divides_last
                else net.op("Mul", x, net.op("Div", clip, six)))
    return build


def times_function_of_itself(op, **attributes):
    return lambda net, x: net.op("Mul", x, net.op(op, x, **attributes))


def slopes(*shape):
    return lambda net, x: net.op("PRelu", x, net.weight(
        RANDOM.uniform(-1, 1, shape).astype(np.float32)))


def positive(op):
    return lambda net, x: net.op(op, net.op("Add", net.op("Abs", x), net.weight(np.float32(0.1))))


def mish_by_softplus(net, x):
    return net.op("Mul", x, net.op("Tanh", net.op("Softplus", x)))


def several(op):
    def build(net, x):
        a, b = net.op("Sigmoid", x), net.op("Abs", x)
        return net.op(op, a, x, net.weight(np.float32(0.25)), b)
    return build


def power(exponent):
    return lambda net, x: net.op("Pow", net.op("Add", net.op("Abs", x), net.weight(np.float32(0.1))),
                                 net.weight(np.float32(exponent)))


def activation_cases():
    for op in ("Abs", "Elu", "Erf", "HardSigmoid", "HardSwish", "LeakyRelu", "Neg", "Selu", "Sigmoid",
               "Softplus", "Softsign", "Tanh", "ThresholdedRelu", "Celu"):
        yield f"act_{op}", after_conv(named(op))
    yield "act_Exp", after_conv(named("Exp"), scale=1)
    for op in ("Log", "Sqrt", "Reciprocal"):
        yield f"act_{op}", after_conv(positive(op))
    for place in ("first", "inside", "last"):
        yield f"act_gelu_erf_{place}", after_conv(gelu_by_erf(place))
    yield "act_gelu_tanh", after_conv(gelu_by_tanh)
    for last in (False, True):
        yield f"act_hard_swish_clip_{last}", after_conv(hard_swish_by_clip(last))
    yield "act_hard_swish_sigmoid", after_conv(
        times_function_of_itself("HardSigmoid", alpha=1 / 6, beta=0.5))
    yield "act_silu", after_conv(times_function_of_itself("Sigmoid"))
    yield "act_mish", after_conv(mish_by_softplus)
    for shape in ((17, 1, 1), (1,), (17, 9, 7)):
        yield f"act_prelu_{len(shape)}", after_conv(slopes(*shape))
    for op in ("Max", "Min", "Sum", "Mean"):
        yield f"act_{op}", after_conv(several(op))
    for exponent in (1, 2, 3, 0.5, -1.25):
        yield f"act_pow_{exponent}", after_conv(power(exponent))
    yield "act_one_channel", after_conv(named("Sigmoid"), shape=(1, 1, 5, 3))
    yield "act_lanes", after_conv(named("Tanh"), shape=(1, 64, 5, 3))
    net = Net(1, 20, 3, 3)
    y = net.op("Sigmoid", net.op("Flatten", net.conv("x", 20, 7)))
    yield "act_flat", (net.finish(y), (1, 20, 3, 3))


def fused_activation_cases():
    """What convolutions compute last: of every way, with lanes beside the channels and without."""
    for name, channels, outputs, kernel, groups, side in (
            ("1x1", 20, 37, 1, 1, 9), ("1x1_wide", 16, 96, 1, 1, 7), ("3x3", 17, 48, 3, 1, 13),
            ("groups", 24, 48, 3, 3, 6), ("depthwise", 33, 33, 3, 33, 11),
            ("depthwise_5x5", 32, 32, 5, 32, 8), ("one_output", 16, 1, 1, 1, 5)):
        for op in ("HardSwish", "Sigmoid"):
            net = Net(1, channels, side, side + 2)
            x = net.conv("x", channels // groups, outputs, (kernel, kernel), group=groups)
            x = net.batch_norm(x, outputs)
            y = net.op("Mul", x, net.op(op, x)) if op == "Sigmoid" else net.op(op, x)
            y = net.conv(y, outputs, 5)
            yield f"fused_{op}_{name}", (net.finish(y), (1, channels, side, side + 2))
