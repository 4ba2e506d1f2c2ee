"""Networks whose gated layers read what gated layers wrote."""

import numpy as np

from net import RANDOM, Net


def gated_layer(net, x, channels, outputs, share, images, act=False, **attributes):
    """conv(x) times a gate per position that is active at a share of them.

    Without attributes the gate is of the images: over a map that is constant in places it would be
    so too, and rounding would decide all of them at once.
    """
    layer = net.conv(x, channels, outputs, **attributes)
    branch = net.conv(x, channels, 1, **attributes) if attributes else net.conv("x", 16, 1)
    gate = net.gate_of_density(branch, [share], images)
    net.gate(layer, gate)
    return net.op("Mul", net.op("Relu", layer) if act else layer, gate)


def block(net, x, channels, shares, images, norm=True, act=False):
    """A basic block: what its first gate skips is the shift of a batch norm, or zero."""
    y = gated_layer(net, x, channels, channels, shares[0], images)
    y = net.op("Relu", net.batch_norm(y, channels) if norm else y)
    y = gated_layer(net, y, channels, channels, shares[1], images, act)
    return net.op("Relu", net.op("Add", net.batch_norm(y, channels), x))


def sparse_cases():
    """Blocks of 13, 32 and 64 channels, in all of which the second layer's input is constant in
    places; then layers after a gate that are none of these: after a residual, of stride 2, and with
    other pads."""
    for height, width in ((2, 5), (9, 7), (16, 16)):
        x = RANDOM.uniform(-1, 1, (3, 16, height, width)).astype(np.float32)
        x[1:, :, : height // 2] *= 4  # so that gates lie side by side
        net, channels = Net(*x.shape, batch=len(x)), 16
        y = "x"
        for wider in (13, 32, 64):
            y = net.op("Relu", net.conv(y, channels, wider))
            channels = wider
            for shares, options in (((0.3, 0.4), {}), ((0.5, 0.2), {"norm": False}),
                                    ((0.9, 0.9), {}), ((0.2, 0.5), {"act": True})):
                y = block(net, y, channels, shares, x, **options)
        y = gated_layer(net, y, 64, 64, 0.3, x)
        y = gated_layer(net, net.op("Relu", net.op("Add", y, net.conv(y, 64, 64))), 64, 64, 0.3, x)
        y = gated_layer(net, y, 64, 64, 0.3, x, strides=[2, 2])
        y = gated_layer(net, net.batch_norm(y, 64), 64, 32, 0.3, x, pads=[1, 2, 2, 1])
        yield f"pairs_{width}x{height}", net.finish(y), x, net.gates
