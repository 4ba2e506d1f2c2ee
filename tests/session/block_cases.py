"""Residual blocks under one gate: y = shortcut(x) + g * F(x), every convolution of F times g."""

import numpy as np

from net import RANDOM, Net, run

# As training writes masks: clip(SLOPE * z, 0, 1).
SLOPE = np.float32(2.0**40)
WHOLE_MAP = 0
# How a file may repeat one value over a whole map.
SPELLINGS = ("mul", "expand", "expand_all", "resize")


def mask(net, z, images):
    """1 where z is above about its median over all images, else 0: in the middle of the widest gap
    there, so that rounding decides nothing."""
    values = np.sort(run(net.finish(z), [], [images])[0].ravel().astype(np.float64))
    middle = values[len(values) * 35 // 100 : len(values) * 65 // 100 + 2]
    widest = np.diff(middle).argmax()
    bound = np.float32((middle[widest] + middle[widest + 1]) / 2)
    return net.clip(net.op("Mul", net.op("Sub", z, net.weight(bound)), net.weight(SLOPE)))


class Block:
    """A block's gate, and the layers under it."""

    def __init__(self, net, x, channels, size, stride, grain, images, spelling="mul"):
        self.net, self.grain, self.spelling = net, grain, spelling
        if grain == WHOLE_MAP:
            z = net.conv(net.op("GlobalAveragePool", x), channels, 1, (1, 1))
        elif grain == 1:
            z = net.conv(x, channels, 1, strides=[stride] * 2)
        else:
            side = grain * stride
            x = net.op("MaxPool", x, kernel_shape=[side] * 2, strides=[side] * 2, ceil_mode=1)
            z = net.conv(x, channels, 1)
        self.gate = mask(net, z, images)
        self.size, self.stride = size, stride
        self.masks = {}

    def extents(self, before_stride):
        by = 1 if before_stride else self.stride
        return [(extent - 1) // by + 1 for extent in self.size]

    def repeated(self, outputs, before_stride):
        net, extents = self.net, self.extents(before_stride)
        if self.grain == WHOLE_MAP:
            return self.one_value(outputs, extents)
        times = self.grain * (self.stride if before_stride else 1)
        if times == 1:
            return self.gate
        if times not in self.masks:
            wide = self.resized(times, times)
            small = [-(-extent // times) for extent in extents]
            if [times * extent for extent in small] != extents:
                wide = net.op("Slice", wide, net.ints(0, 0), net.ints(*extents), net.ints(2, 3))
            self.masks[times] = wide
        return self.masks[times]

    def resized(self, *times):
        net = self.net
        return net.op("Resize", self.gate, "", net.weight(np.array([1, 1, *times], np.float32)),
                      mode="nearest", coordinate_transformation_mode="asymmetric",
                      nearest_mode="floor")

    def one_value(self, outputs, extents):
        if self.spelling == "mul":
            return self.gate
        if self.spelling == "resize":
            return self.resized(*extents)
        channels = outputs if self.spelling == "expand_all" else 1
        return self.net.op("Expand", self.gate, self.net.ints(1, channels, *extents))

    def times(self, y, layer, outputs, before_stride=False):
        """y, which `layer` is or leads to, times the gate."""
        self.net.gate(layer, self.gate)
        return self.net.op("Mul", y, self.repeated(outputs, before_stride))


def shortcut(net, x, channels, outputs, stride):
    if stride == 1 and channels == outputs:
        return x
    y = net.conv(x, channels, outputs, (1, 1), strides=[stride] * 2, pads=[0] * 4)
    return net.batch_norm(y, outputs)


def layers_of(channels, outputs, stride, is_bottleneck):
    """(inputs, outputs, kernel, stride) of each convolution."""
    if not is_bottleneck:
        return [(channels, outputs, 3, stride), (outputs, outputs, 3, 1)]
    width = max(outputs // 4, 5)
    return [(channels, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)]


def block(net, x, channels, outputs, size, stride, grain, images, form, spelling="mul"):
    """`post`: norm and ReLU before the gate. `bare`: pre-activation, the gate right behind each
    convolution. `_bottleneck`: three convolutions."""
    is_bare, is_bottleneck = form.startswith("bare"), form.endswith("bottleneck")
    y = net.op("Relu", net.batch_norm(x, channels)) if is_bare else x
    gate = Block(net, y, channels, size, stride, grain, images, spelling)
    layers = layers_of(channels, outputs, stride, is_bottleneck)
    for place, (c, k, kernel, step) in enumerate(layers):
        is_last = place == len(layers) - 1
        layer = net.conv(y, c, k, (kernel, kernel), bias=is_bare, strides=[step] * 2)
        y = layer if is_bare else net.batch_norm(layer, k)
        y = y if is_bare or is_last else net.op("Relu", y)
        y = gate.times(y, layer, k, before_stride=is_bottleneck and place == 0)
        y = net.op("Relu", net.batch_norm(y, k)) if is_bare and not is_last else y
    y = net.op("Add", y, shortcut(net, x, channels, outputs, stride))
    return y if is_bare else net.op("Relu", y)


def block_net(form, grain, size, channels, images, spelling="mul"):
    """Blocks of stride 1, of stride 2, and of stride 1 again."""
    net = Net(*images.shape, batch=len(images))
    x = net.op("Relu", net.conv("x", images.shape[1], channels))
    for outputs, stride in ((channels, 1), (2 * channels, 2), (2 * channels, 1)):
        x = block(net, x, channels, outputs, size, stride, grain, images, form, spelling)
        channels, size = outputs, [(extent - 1) // stride + 1 for extent in size]
    return net.finish(x), net.gates


def images_of(count, channels, size):
    """The first ones larger, so that gates of whole maps differ."""
    x = RANDOM.uniform(-1, 1, (count, channels, *size)).astype(np.float32)
    x[:, :, : size[0] // 2] *= 2  # so that gates lie side by side
    return x * np.linspace(2, 0.5, count, dtype=np.float32)[:, None, None, None]


def block_cases():
    """All forms at all grains, over maps that they divide and over others; channels of whole vectors
    and others; a map for which 4x4 outputs are too many for Winograd's matrices."""
    for form in ("post", "bare", "bottleneck", "bare_bottleneck"):
        for grain in (1, 2, 4, 8, WHOLE_MAP):
            for size, channels in (((16, 16), 16), ((13, 11), 12)):
                x = images_of(6, 3, size)
                model, gates = block_net(form, grain, size, channels, x)
                yield f"block_{form}_{grain or 'map'}_{channels}", model, x, gates
    for spelling in SPELLINGS[1:]:
        x = images_of(6, 3, (9, 12))
        model, gates = block_net("post", WHOLE_MAP, (9, 12), 16, x, spelling)
        yield f"block_map_{spelling}", model, x, gates
    for grain in (3, 2, 4):  # 3: no shift finds its gates
        x, net = images_of(3, 8, (8, 7)), Net(3, 8, 8, 7, batch=3)
        y = net.op("Relu", net.conv("x", 8, 384, (1, 1)))
        y = block(net, y, 384, 384, (8, 7), 1, grain, x, "post")
        yield f"block_wide_{grain}", net.finish(y), x, net.gates
    for grain in (2, WHOLE_MAP):  # each channel by itself
        x, net = images_of(6, 3, (9, 7)), Net(6, 3, 9, 7, batch=6)
        y = net.op("Relu", net.conv("x", 3, 24))
        gate = Block(net, y, 24, (9, 7), 1, grain, x)
        layer = net.conv(y, 1, 24, group=24)
        y = net.op("Add", gate.times(layer, layer, 24), net.conv(y, 24, 24, (1, 1)))
        yield f"block_depthwise_{grain or 'map'}", net.finish(y), x, net.gates
