"""Networks of layers that Winograd computes."""

import numpy as np

from net import RANDOM, Net


def winograd_net(x, shares):
    """Layers that Winograd computes, for images x [N, 16, H, W], and their gates.

    Over 16 channels: a gated layer with a residual for each share of active positions, one without
    a gate, and two with gates per element. Then gates per channel group, and gates per position
    over 64 channels.
    """
    height, width = x.shape[2:]
    net = Net(*x.shape, batch=len(x))
    y = net.op("Relu", net.conv("x", 16, 16))
    for maps, share in [(1, share) for share in shares] + [(0, 1), (16, 0.03), (16, 0.8)]:
        layer = net.conv(y, 16, 16)
        if maps:
            gate = net.gate_of_density(net.conv(y, 16, maps, (1, 1)), [share] * maps, x)
            net.gate(layer, gate)
            layer = net.op("Mul", layer, gate)
        y = net.op("Relu", net.op("Add", net.batch_norm(layer, 16), y))
    layer, gate = net.conv(y, 16, 128), net.gate_of_density(net.conv(y, 16, 2), (0.1, 0.9), x)
    net.gate(layer, gate)
    parts = net.op("Reshape", layer, net.ints(0, 2, 64, height, width))
    parts = net.op("Mul", parts, net.op("Unsqueeze", gate, net.ints(2)))
    y = net.op("Relu", net.conv(net.op("Reshape", parts, net.ints(0, 128, height, width)), 128, 64))
    for share in (0.2, 0.95):
        layer, gate = net.conv(y, 64, 64), net.gate_of_density(net.conv(y, 64, 1), [share], x)
        net.gate(layer, gate)
        y = net.op("Relu", net.op("Add", net.op("Mul", layer, gate), y))
    return net.finish(y), net.gates


def winograd_cases():
    for height, width in ((4, 5), (13, 11), (30, 27)):
        x = RANDOM.uniform(-1, 1, (3, 16, height, width)).astype(np.float32)
        x[1:, :, : height // 2] *= 4  # so that gates lie side by side
        model, gates = winograd_net(x, (0.05, 0.2, 0.5, 0.9))
        yield f"winograd_{width}x{height}", model, x, gates
    net = Net(1, 128, 8, 9)  # weights that threads share out
    y = net.op("Relu", net.conv("x", 128, 256))
    y = net.op("Relu", net.conv(y, 256, 512))
    yield "winograd_wide", net.finish(net.conv(y, 512, 64)), RANDOM.uniform(
        -1, 1, (1, 128, 8, 9)).astype(np.float32), []


def net_of_any_channels(x):
    """Layers of channels that no kernel is made for: of stride 1 and 2, each without a gate, with
    one per position and with one per element; then many channels over a small map."""
    net = Net(*x.shape, batch=len(x))
    y, channels = net.op("Relu", net.conv("x", 5, 48)), 48
    for outputs, stride, maps in ((96, 1, 1), (24, 1, 24), (1, 1, 0), (3, 1, 1), (100, 1, 0),
                                  (48, 2, 0), (24, 2, 1), (40, 2, 40), (200, 1, 0), (400, 1, 0),
                                  (384, 1, 1), (447, 1, 447), (31, 1, 0)):
        layer = net.conv(y, channels, outputs, strides=[stride] * 2)
        if maps:
            gate = net.gate_of_density(
                net.conv(y, channels, maps, (1, 1), strides=[stride] * 2), [0.7] * maps, x)
            net.gate(layer, gate)
            layer = net.op("Mul", layer, gate)
        y, channels = net.op("Relu", net.batch_norm(layer, outputs)), outputs
    return net.finish(y), net.gates


def channel_cases():
    for height, width in ((9, 14), (64, 32)):
        x = RANDOM.uniform(-1, 1, (2, 5, height, width)).astype(np.float32)
        model, gates = net_of_any_channels(x)
        yield f"winograd_channels_{width}x{height}", model, x, gates
    net = Net(1, 8, 8, 7)  # a gate per tile of a layer that no Winograd kernel computes
    y = tile_gated(net, net.op("Relu", net.conv("x", 8, 528, (1, 1))), 528, 16, (8, 7))
    yield "winograd_channels_528", net.finish(y), RANDOM.uniform(
        -1, 1, (1, 8, 8, 7)).astype(np.float32), net.gates


def tile_gated(net, x, channels, outputs, size, stride=1):
    """conv(x) times a gate for every 4x4 outputs, as the released code's v0 has it."""
    side, extents = 4 * stride, [(extent - 1) // stride + 1 for extent in size]
    gate = net.op("MaxPool", x, kernel_shape=[side] * 2, strides=[side] * 2, ceil_mode=1)
    gate = net.op("Relu", net.batch_norm(net.conv(gate, channels, 1, (1, 1)), 1))
    wide = net.op("Resize", gate, "", net.weight(np.array([1, 1, 4, 4], np.float32)), mode="nearest",
                  coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    if any(extent % 4 for extent in extents):
        wide = net.op("Slice", wide, net.ints(0, 0), net.ints(*extents), net.ints(2, 3))
    y = net.conv(x, channels, outputs, strides=[stride] * 2)
    net.gate(y, gate)
    return net.op("Mul", y, wide)


def tile_cases():
    """Gates per tile over layers of F(4x4, 3x3), of stride 2, of 40 channels, and of F(2x2, 3x3)."""
    for size in ((8, 12), (7, 10), (30, 17)):
        net = Net(2, 16, *size, batch=2)
        x = net.op("Relu", net.conv("x", 16, 16))
        for _ in range(3):
            y = net.batch_norm(tile_gated(net, x, 16, 16, size), 16)
            x = net.op("Relu", net.op("Add", y, x))
        y = tile_gated(net, net.conv(x, 16, 40), 40, 16, size)
        y = tile_gated(net, net.conv(y, 16, 512, (1, 1)), 512, 16, size)
        yield f"tiles_{size[1]}x{size[0]}", (
            net.finish(tile_gated(net, y, 16, 32, size, 2)), (2, 16, *size), net.gates)


def phase_cases():
    """Layers of stride 2 over the phases of their input: 7x7 over images, then 3x3 with a gate per
    position, per tile and per element, and with none."""
    for size in ((64, 72), (72, 65)):
        net = Net(2, 3, *size, batch=2)
        x = net.op("Relu", net.conv("x", 3, 32, (7, 7), strides=[2, 2]))
        halves = [(extent + 1) // 2 for extent in size]
        y = net.conv(x, 32, 64, strides=[2, 2])
        gate = net.op("Relu", net.batch_norm(net.conv(x, 32, 1, strides=[2, 2]), 1))
        net.gate(y, gate)
        y = net.batch_norm(net.op("Mul", y, gate), 64)
        y = net.op("Add", y, net.batch_norm(tile_gated(net, x, 32, 64, halves, 2), 64))
        layer, gate = net.conv(x, 32, 64, strides=[2, 2]), net.clip(
            net.conv(x, 32, 64, (1, 1), strides=[2, 2]))
        net.gate(layer, gate)
        x = net.op("Relu", net.op("Add", y, net.op("Mul", layer, gate)))
        yield f"phases_{size[1]}x{size[0]}", (
            net.finish(net.conv(x, 64, 64, strides=[2, 2])), (2, 3, *size), net.gates)
