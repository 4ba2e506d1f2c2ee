"""Networks of 24, 40 and 96 channels, one of them of every form that a layer takes."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "session"))

from block_cases import SPELLINGS, WHOLE_MAP, block, images_of  # noqa: E402
from net import Net  # noqa: E402


def map_of(net, x, channels, maps, kernel=3, **attributes):
    """A gate: a clamped convolution."""
    return net.op("Relu", net.batch_norm(net.conv(x, channels, maps, (kernel, kernel), **attributes),
                                         maps))


def gated(net, x, channels, outputs, gate, **attributes):
    return net.op("Mul", net.conv(x, channels, outputs, **attributes), gate)


def repeated(net, gate, groups, each, side):
    """[1, groups, H, W] as exporters repeat it for the channels of its groups."""
    wide = net.op("Unsqueeze", gate, net.ints(2))
    wide = net.op("Expand", wide, net.ints(1, groups, each, side, side))
    return net.op("Reshape", wide, net.ints(1, groups * each, side, side))


def by_blocks(net, x, gate, groups, each, side):
    """The other way of writing it: the layer's channels are split into groups and joined again."""
    split = net.op("Reshape", x, net.ints(1, groups, each, side, side))
    product = net.op("Mul", split, net.op("Unsqueeze", gate, net.ints(2)))
    return net.op("Reshape", product, net.ints(1, groups * each, side, side))


def tile_gate(net, x, channels):
    small = map_of(net, net.op("MaxPool", x, kernel_shape=[4, 4], strides=[4, 4]), channels, 1, 1)
    scales = net.weight(np.array([1, 1, 4, 4], np.float32))
    return net.op("Resize", small, "", scales, mode="nearest",
                  coordinate_transformation_mode="asymmetric", nearest_mode="floor")


def gated_network():
    """Gates per position, element, group and tile; pairs; residuals; what stands before a gate."""
    net = Net(1, 3, 16, 16)
    y = net.op("Relu", net.batch_norm(net.conv("x", 3, 24), 24))
    z = gated(net, y, 24, 24, map_of(net, y, 24, 1))
    z = gated(net, net.op("Relu", net.batch_norm(z, 24)), 24, 24, map_of(net, y, 24, 1))  # pairs
    y = net.op("Relu", net.op("Add", z, y))
    y = gated(net, y, 24, 40, map_of(net, y, 24, 40, 1))
    # The activation before the gate stays before it: Winograd cannot take the residual.
    z = net.op("Mul", net.op("Relu", net.conv(y, 40, 40)), map_of(net, y, 40, 40, 1))
    y = net.op("Add", z, y)
    y = gated(net, y, 40, 96, map_of(net, y, 40, 1, 5))
    y = gated(net, y, 96, 96, tile_gate(net, y, 96))
    y = gated(net, y, 96, 96, map_of(net, y, 96, 1))  # no pairs: the gate before is one per tile
    groups = map_of(net, y, 96, 3, 1)
    y = gated(net, y, 96, 96, repeated(net, groups, 3, 32, 16))
    y = by_blocks(net, net.conv(y, 96, 40), map_of(net, y, 96, 5, 1), 5, 8, 16)
    # No gates: one that may be negative, one whose layer is read elsewhere, two of which either could be.
    y = gated(net, y, 40, 24, net.conv(y, 40, 1))
    z = net.conv(y, 24, 40)
    y = net.op("Add", net.op("Mul", z, map_of(net, y, 24, 1)), z)
    return net.finish(net.op("Mul", map_of(net, y, 40, 96, 5), map_of(net, y, 40, 96, 5)))


def dense_network():
    """Windows, strides and pads; an image that others read too; arithmetic of shapes."""
    net = Net(1, 3, 48, 48, batch=1)
    x = net.op("Sub", "x", net.random(1, 3, 1, 1))
    y = net.op("Relu", net.conv(x, 3, 24, (7, 7), strides=[2, 2]))
    border = net.ints(0, 0, 1, 1, 0, 0, 1, 1)
    y = net.conv(net.op("Pad", y, border), 24, 40, pads=[0] * 4)
    # As torch.nn.Flatten and others leave it to the file to find out.
    shape = net.op("Shape", y)
    y = net.op("Reshape", net.op("Relu", y), net.op("Concat", shape, net.weight(np.zeros(0, np.int64)),
                                                   axis=0))
    y = net.conv(y, 40, 96, strides=[2, 2])
    y = net.conv(y, 96, 40, (1, 1))
    y = net.conv(y, 40, 40, (1, 3))
    y = net.op("Conv", y, net.random(24, 40, 3, 3), auto_pad="SAME_UPPER")
    y = net.conv(y, 24, 40, (5, 5), strides=[2, 2])
    y = net.conv(y, 40, 40, dilations=[1, 1], pads=[0] * 4)  # 4x4
    y = net.conv(y, 40, 24, pads=[0] * 4)  # 2x2, less than a tile of Winograd's
    y = net.op("Clip", net.batch_norm(y, 24), net.weight(np.float32(0)), net.weight(np.float32(6)))
    return net.finish(net.conv(y, 24, 500))


def packed_network():
    """An image that convolutions alone read has no lanes beside its channels."""
    net = Net(1, 3, 20, 20)
    y = net.conv("x", 3, 24, strides=[2, 2])
    bordered = net.op("Pad", "x", net.ints(0, 0, 2, 2, 0, 0, 2, 2))
    z = net.conv(bordered, 3, 96, (5, 5), strides=[2, 2], pads=[0] * 4)
    return net.finish(net.op("Concat", y, z, axis=1))


def block_network():
    """Gates per block, of all grains, in basic blocks and bottlenecks."""
    size, images = (16, 12), images_of(2, 3, (16, 12))
    net, channels = Net(2, 3, *size, batch=2), 24
    x = net.op("Relu", net.conv("x", 3, channels))
    for grain in (1, 2, 3, 4, 8, WHOLE_MAP):
        for form in ("post", "bottleneck", "bare"):
            x = block(net, x, channels, channels, size, 1, grain, images, form)
    for spelling in SPELLINGS:
        x = block(net, x, channels, channels, size, 1, WHOLE_MAP, images, "post", spelling)
    x = block(net, x, channels, 40, size, 2, 4, images, "bottleneck")
    return net.finish(x)
