"""Networks whose inputs or weights hold NaN and infinities."""

import numpy as np

from net import RANDOM, Net, run

NAN, INF = np.float32(np.nan), np.float32(np.inf)
SHAPE = (2, 5, 9, 7)


def spoiled(*shape, values=(NAN, INF, -INF)):
    """Random numbers, and each of the values at a place of its own in every image."""
    x = RANDOM.uniform(-1, 1, shape).astype(np.float32)
    for image in x.reshape(shape[0], -1):
        image[RANDOM.choice(image.size, len(values), replace=False)] = values
    return x


def one(kind, *weights, shape=SHAPE, **attributes):
    """An operator on the input itself."""
    net = Net(*shape, batch=shape[0])
    names = [net.weight(w) if w is not None else "" for w in weights]
    return net.finish(net.op(kind, "x", *names, **attributes)), spoiled(*shape)


def clip_cases():
    f = np.float32
    yield "relu", one("Relu")
    for name, low, high in (("both", 0, 1), ("relu6", 0, 6), ("inverted", 0.5, -0.5),
                            ("all_below", INF, INF), ("nan_low", NAN, 0.5), ("nan_high", -0.5, NAN)):
        yield f"clip_{name}", one("Clip", f(low), f(high))
    yield "clip_low", one("Clip", f(-0.25))
    yield "clip_high", one("Clip", None, f(0.25))
    yield "hard_sigmoid", one("HardSigmoid", alpha=0.3, beta=0.4)
    net = Net(*SHAPE, batch=2)  # of two clamps, each the one with the bounds the wrong way round
    y = net.op("Clip", "x", net.weight(f(0.5)), net.weight(f(-0.5)))
    z = net.op("Clip", net.op("Relu", net.conv("x", 5, 5)), net.weight(f(0.9)), net.weight(f(0.1)))
    yield "clip_chain", (net.finish(net.op("Add", net.op("Relu", y), z)), spoiled(*SHAPE))


def operator_cases():
    channel = lambda *v: np.array(v, np.float32).reshape(1, -1, 1, 1)
    for kind in ("Add", "Sub", "Mul", "Div"):
        yield kind, one(kind, channel(NAN, INF, 0.5, -INF, 2))
        yield f"{kind}_small", one(kind, channel(1, 2, 1e-40, -1e-40, 0))
    ones = np.ones(5, np.float32)
    for name, variance in (("positive", 1), ("negative", -1), ("zero", 0)):
        yield f"batch_norm_{name}", one("BatchNormalization", ones, ones, ones,
                                        ones * np.float32(variance), epsilon=0.0)
    yield "average_pool", one("AveragePool", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])
    yield "global_average_pool", one("GlobalAveragePool")
    yield "softmax_channels", one("Softmax", axis=1)
    yield "softmax_columns", one("Softmax", axis=-1)
    for mode in ("nearest", "linear"):
        yield f"resize_{mode}", one("Resize", None, np.array([1, 1, 3, 2], np.float32), mode=mode)
    net = Net(*SHAPE, batch=2)
    yield "residual", (net.finish(net.op("Relu", net.op("Add", net.conv("x", 5, 5), "x"))),
                       spoiled(*SHAPE))


def linear_cases():
    for bad in (None, NAN, INF):
        weights = RANDOM.uniform(-1, 1, (11, 6)).astype(np.float32)
        x = RANDOM.uniform(-1, 1, (3, 11)).astype(np.float32)
        if bad is None:
            x[0, 3], x[1, 5] = NAN, INF
        else:
            weights[2, 4] = bad
        for beta in (1.0, 0.0):
            net = Net(*x.shape, batch=3)
            bias = net.weight(np.array([1, INF, 0, NAN, -1, 0], np.float32))
            y = net.op("Relu", net.op("Gemm", "x", net.weight(weights), bias, beta=beta))
            yield f"gemm_{bad}_{beta}", (net.finish(y), x)


def conv_cases():
    """Convolutions whose weights are not finite, and what is fused with them."""
    for bad in (NAN, INF):
        for channels, outputs, size in ((5, 9, 3), (16, 16, 3), (64, 64, 3), (8, 1, 1), (16, 32, 1)):
            weights = RANDOM.uniform(-1, 1, (outputs, channels, size, size)).astype(np.float32)
            weights[outputs // 2, 1, -1, 0] = bad
            bias = RANDOM.uniform(-1, 1, outputs).astype(np.float32)
            bias[0] = bad
            shape = (1, channels, 9, 10)
            x = RANDOM.uniform(-1, 1, shape).astype(np.float32)
            for gate in (False, True):
                net = Net(*shape)
                y = net.op("Conv", "x", net.weight(weights), net.weight(bias), pads=[size // 2] * 4)
                y = net.op("Relu", net.batch_norm(y, outputs))
                if gate:
                    y = net.op("Mul", y, net.op("Relu", net.conv("x", channels, 1)))
                yield f"conv_{bad}_{channels}_{outputs}_{'gated' if gate else 'dense'}", (
                    net.finish(y), x)
    net = Net(1, 16, 8, 8)  # a normalisation that divides by zero, behind a gate
    x = net.op("Relu", net.conv("x", 16, 16))
    y = net.op("Mul", net.conv(x, 16, 16), net.op("Relu", net.conv(x, 16, 1)))
    zeros, ones = (net.weight(np.full(16, v, np.float32)) for v in (0, 1))
    y = net.op("BatchNormalization", y, ones, zeros, zeros, zeros, epsilon=0.0)
    yield "gate_norm", (net.finish(net.op("Relu", y)), RANDOM.uniform(-1, 1, (1, 16, 8, 8)))


def lane_cases():
    """Infinities, and channels beside which there are lanes: products with their weights of zero are
    NaN, and no such sum may reach a channel."""
    for channels in (3, 17, 20):
        for stage in ("conv", "affine", "AveragePool", "MaxPool", "residual", "gate", "clip"):
            net = Net(1, channels, 9, 8)
            positive = lambda outputs, inputs, size: net.random(outputs, inputs, size, size, low=0.1)
            conv = lambda x, outputs, inputs, size=3: net.op(
                "Conv", x, positive(outputs, inputs, size), pads=[size // 2] * 4)
            x = y = conv("x", channels, channels)
            if stage == "affine":
                y = net.op("Mul", net.op("MaxPool", y, kernel_shape=[1, 1]), net.weight(np.float32(2)))
            elif stage.endswith("Pool"):
                y = net.op(stage, y, kernel_shape=[2, 2])
            elif stage == "residual":
                y = net.op("Relu", net.op("Add", conv(y, channels, channels), y))
            elif stage == "gate":
                y = net.op("Mul", conv(y, channels, channels, 1), net.op("Relu", conv(x, 1, channels, 1)))
            elif stage == "clip":
                y = net.op("Clip", net.op("MaxPool", y, kernel_shape=[1, 1]), net.weight(INF))
            values = spoiled(1, channels, 9, 8, values=(INF,))
            yield f"lanes_{channels}_{stage}", (net.finish(conv(y, 7, channels)), values)


def fused_cases():
    """Layers y = post(act(conv(x)) * gate + residual) over a NaN; the gate sees what the layer sees,
    so that no gate skips where the layer is NaN."""
    for form, size, outputs in (("position", 3, 16), ("position", 1, 24), ("group", 1, 32),
                                ("element", 1, 17)):
        for act in (False, True):
            for residual in (False, True):
                net = Net(1, 16, 9, 10)
                x = net.op("Relu", net.conv("x", 16, 16, (1, 1)))
                maps = {"position": 1, "group": 2, "element": outputs}[form]
                gate = net.clip(net.batch_norm(net.conv(x, 16, maps, (size, size)), maps))
                y = net.conv(x, 16, outputs, (size, size))
                y = net.op("Relu", y) if act else y
                if form == "group":
                    y = net.op("Reshape", y, net.ints(1, 2, outputs // 2, 9, 10))
                    y = net.op("Mul", y, net.op("Unsqueeze", gate, net.ints(2)))
                    y = net.op("Reshape", y, net.ints(1, outputs, 9, 10))
                else:
                    y = net.op("Mul", y, gate)
                y = net.batch_norm(y, outputs)
                y = net.op("Add", y, net.conv(x, 16, outputs, (1, 1))) if residual else y
                y = net.clip(y)
                yield f"{form}_{size}_{'act' if act else 'none'}_{'residual' if residual else 'none'}", (
                    net.finish(y), spoiled(1, 16, 9, 10, values=(NAN,)))


def copy_cases():
    """A Resize to the size that is there copies, infinities beside finite elements too."""
    for mode in ("nearest", "linear"):
        yield f"resize_same_{mode}", one("Resize", None, np.ones(4, np.float32), mode=mode)


def nan_cases():
    for cases in (clip_cases, operator_cases, linear_cases, conv_cases, lane_cases, fused_cases,
                  copy_cases):
        for name, (model, x) in cases():
            yield f"nan_{name}", model, x, *run(
                model, [], x[:, None], optimises=False)
