"""Convolutions that are not dense windows: with groups, depthwise, dilated and transposed. Blocks as in
blocks.py."""

from __future__ import annotations

import math

from blocks import width
from net import Net, Value


def draw_groups(net: Net, channels: int) -> int:
    divisors = [g for g in range(1, channels + 1) if channels % g == 0]
    return channels if net.chance(0.4) else int(net.pick(*divisors))


def grouped_conv(net: Net, x: Value) -> Value | None:
    if not x.is_map:
        return None
    groups = draw_groups(net, x.channels)
    outputs = groups * net.pick(1, 1, 2, 3) if net.chance(0.7) else groups * (width(net) // groups or 1)
    side = net.pick(1, 2, 3, 3, 3, 5, 7)
    kernel = (side, side) if net.chance(0.8) else (side, net.pick(1, 2, 3))
    stride = [net.pick(1, 1, 2)] * 2 if net.chance(0.8) else [net.pick(1, 2, 3), 1]
    dilation = [1, 1] if net.chance(0.6) else [net.pick(1, 2, 3), net.pick(1, 2, 4)]
    reach = [d * (k - 1) for d, k in zip(dilation, kernel)]
    pads = [net.pick(0, r // 2, r // 2, r) for r in reach * 2]
    size = [
        (x.size[a] + pads[a] + pads[a + 2] - reach[a] - 1) // stride[a] + 1 for a in (0, 1)
    ]
    each = x.channels // groups
    macs = x.shape[0] * math.prod(max(s, 0) for s in size) * outputs * each * math.prod(kernel)
    if min(size) < 1 or macs > net.macs:
        return None
    net.macs -= macs
    scale = 3 / math.sqrt(each * math.prod(kernel))
    weights = net.floats(outputs, each, *kernel, low=-scale, high=scale)
    inputs = [x, weights] + ([net.floats(outputs)] if net.chance(0.7) else [])
    return net.op("Conv", inputs, (x.shape[0], outputs, *size), kernel_shape=kernel, strides=stride,
                  pads=pads, dilations=dilation, group=groups)


def conv_transpose(net: Net, x: Value) -> Value | None:
    if not x.is_map:
        return None
    groups = draw_groups(net, x.channels) if net.chance(0.3) else 1
    outputs = groups * net.pick(1, 2, 5)
    kernel = [net.pick(1, 2, 3, 4)] * 2 if net.chance(0.8) else [net.pick(1, 3), net.pick(2, 4)]
    stride = [net.pick(1, 2, 2, 3)] * 2 if net.chance(0.8) else [net.pick(1, 2), net.pick(2, 3)]
    dilation = [1, 1] if net.chance(0.8) else [net.pick(1, 2), net.pick(1, 3)]
    reach = [d * (k - 1) for d, k in zip(dilation, kernel)]
    pads = [net.pick(0, r // 2) for r in reach * 2]
    more = [net.pick(0, s - 1) for s in stride]
    size = [
        (x.size[a] - 1) * stride[a] + reach[a] + 1 + more[a] - pads[a] - pads[a + 2] for a in (0, 1)
    ]
    each = outputs // groups
    macs = math.prod(x.shape) * each * math.prod(kernel)
    if min(size) < 1 or max(size) > 64 or macs > net.macs:
        return None
    net.macs -= macs
    scale = 3 / math.sqrt(x.channels // groups * math.prod(kernel))
    weights = net.floats(x.channels, each, *kernel, low=-scale, high=scale)
    inputs = [x, weights] + ([net.floats(outputs)] if net.chance(0.7) else [])
    return net.op("ConvTranspose", inputs, (x.shape[0], outputs, *size), kernel_shape=kernel,
                  strides=stride, pads=pads, dilations=dilation, group=groups, output_padding=more)


WINDOWS = (grouped_conv, grouped_conv, conv_transpose)
