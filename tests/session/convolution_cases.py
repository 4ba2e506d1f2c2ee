"""Convolutions that are not dense windows: depthwise, grouped, dilated, transposed.

Each generator yields (name, (model, shape, gates)).
"""

import numpy as np

from net import RANDOM, Net


def weights(net, *shape):
    scale = 3 / np.sqrt(np.prod(shape[1:]))
    return net.random(*shape, low=-scale, high=scale)


def grouped(net, x, channels, outputs, kernel, groups, **attributes):
    attributes.setdefault("pads", [kernel[0] // 2, kernel[1] // 2] * 2)
    return net.op("Conv", x, weights(net, outputs, channels // groups, *kernel), net.random(outputs),
                  group=groups, **attributes)


def transposed(net, x, channels, outputs, kernel, groups=1, bias=True, **attributes):
    biases = [net.random(outputs)] if bias else []
    return net.op("ConvTranspose", x, weights(net, channels, outputs // groups, *kernel), *biases,
                  group=groups, **attributes)


def group_cases():
    """A layer between two others, so that it meets lanes beside channels; and at the input itself."""
    for channels, outputs, groups in ((8, 8, 8), (20, 20, 20), (6, 12, 6), (5, 15, 5), (4, 8, 2),
                                      (32, 32, 8), (40, 40, 2), (9, 15, 3), (64, 32, 4)):
        for kernel, more in (((3, 3), {}), ((3, 3), {"strides": [2, 2]}), ((1, 1), {}),
                             ((5, 5), {"dilations": [2, 1], "pads": [4, 2, 4, 2]}),
                             ((7, 7), {}), ((5, 5), {"strides": [2, 2]}), ((2, 3), {"strides": [1, 2]})):
            net = Net(1, channels, 9, 10)
            x = net.op("Relu", net.conv("x", channels, channels, (1, 1)))
            y = net.op("Relu", net.batch_norm(grouped(net, x, channels, outputs, kernel, groups, **more),
                                              outputs))
            name = f"group_{channels}_{outputs}_{groups}_{kernel[0]}x{kernel[1]}_{'_'.join(more)}"
            yield name, (net.finish(net.conv(y, outputs, 3, (1, 1))), (1, channels, 9, 10))
    for channels, outputs, groups in ((3, 3, 3), (6, 6, 2), (16, 16, 16)):
        net = Net(1, channels, 8, 7)
        y = grouped(net, "x", channels, outputs, (3, 3), groups)
        yield f"group_of_input_{channels}_{groups}", (net.finish(net.op("Add", y, "x")), (1, channels, 8, 7))


def inverted_block_cases():
    """MobileNetV2's block: 1x1, depthwise, 1x1 and a residual; also the depthwise layer gated."""
    for stride in (1, 2):
        net = Net(1, 16, 14, 14)
        y = net.clip(net.conv("x", 16, 48, (1, 1)))
        y = net.clip(net.batch_norm(grouped(net, y, 48, 48, (3, 3), 48, strides=[stride] * 2), 48))
        y = net.conv(y, 48, 16, (1, 1))
        y = net.op("Add", y, "x") if stride == 1 else y
        yield f"inverted_block_{stride}", (net.finish(y), (1, 16, 14, 14))
    for name, channels, groups, kernel in (("depthwise", 24, 24, (3, 3)), ("depthwise_5", 16, 16, (5, 5)),
                                           ("grouped", 24, 4, (3, 3)), ("dilated", 16, 1, (3, 3))):
        for maps in (1, channels, 2):
            net = Net(1, channels, 9, 8)
            x = net.op("Relu", net.conv("x", channels, channels))
            more = {"dilations": [2, 2], "pads": [2] * 4} if name == "dilated" else {}
            y = grouped(net, x, channels, channels, kernel, groups, **more)
            gate = net.op("Relu", net.conv(x, channels, maps, (1, 1)))
            net.gate(y, gate)
            if maps == 2:
                each = channels // maps
                parts = net.op("Reshape", y, net.ints(1, maps, each, 9, 8))
                y = net.op("Mul", parts, net.op("Unsqueeze", gate, net.ints(2)))
                y = net.op("Reshape", y, net.ints(1, channels, 9, 8))
            else:
                y = net.op("Mul", y, gate)
            y = net.op("Relu", net.op("Add", y, x))
            yield f"gate_{name}_{maps}", (net.finish(y), (1, channels, 9, 8), net.gates)


def gated_map_cases():
    """One gate for all outputs of a depthwise layer: open for one input, closed for another."""
    for name, shift in (("open", 3.0), ("closed", -9.0)):
        net = Net(1, 24, 4, 3)
        x = net.op("Relu", net.conv("x", 24, 24, (1, 1)))
        y = grouped(net, x, 24, 24, (3, 3), 24)
        pooled = net.op("MaxPool", x, kernel_shape=[4, 3])
        gate = net.op("Add", net.conv(pooled, 24, 1, (1, 1)), net.weight(np.float32(shift)))
        gate = net.op("Resize", net.op("Relu", gate), "", net.weight(np.array([1, 1, 4, 4], np.float32)),
                      mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        gate = net.op("Slice", gate, net.ints(0, 0), net.ints(4, 3), net.ints(2, 3))
        y = net.op("Add", net.op("Mul", y, gate), net.conv(x, 24, 24))
        yield f"gate_depthwise_map_{name}", (net.finish(y), (1, 24, 4, 3))


def dilation_cases():
    for channels, outputs in ((3, 5), (16, 16), (40, 8)):
        for kernel, dilation in (((3, 3), (2, 2)), ((3, 3), (6, 6)), ((3, 2), (1, 3)), ((1, 4), (5, 2))):
            net = Net(1, channels, 13, 12)
            pads = [d * (k - 1) // 2 for k, d in zip(kernel, dilation)] * 2
            y = net.conv("x", channels, outputs, kernel, dilations=dilation, pads=pads)
            y = net.conv(net.op("Relu", y), outputs, 4, kernel, dilations=dilation, pads=pads,
                         strides=[1, 2])
            name = f"dilation_{channels}_{kernel[0]}x{kernel[1]}_{dilation[0]}x{dilation[1]}"
            yield name, (net.finish(y), (1, channels, 13, 12))


def transposed_cases():
    forms = {
        "unet": ((2, 2), {"strides": [2, 2]}),
        "dcgan": ((4, 4), {"strides": [2, 2], "pads": [1] * 4}),
        "dcgan_first": ((4, 4), {}),
        "fcn": ((3, 3), {"strides": [2, 2], "pads": [1] * 4, "output_padding": [1, 1]}),
        "gaps": ((1, 2), {"strides": [3, 2]}),
        "dilated": ((3, 2), {"strides": [2, 3], "dilations": [3, 2], "pads": [1, 0, 2, 1]}),
        "both": ((3, 3), {"strides": [4, 4], "dilations": [2, 2]}),
        "cropped": ((3, 3), {"strides": [2, 1], "pads": [3, 2, 4, 1]}),
        "given": ((3, 3), {"strides": [2, 2], "output_shape": [10, 9]}),
        "upper": ((4, 3), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        "lower": ((4, 3), {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    }
    for name, (kernel, attributes) in forms.items():
        for channels, outputs, groups in ((3, 5, 1), (16, 8, 1), (12, 12, 12), (8, 6, 2)):
            net = Net(1, channels, 5, 4)
            x = net.op("Relu", net.conv("x", channels, channels, (1, 1)))
            y = transposed(net, x, channels, outputs, kernel, groups, bias=outputs != 8, **attributes)
            y = net.op("Relu", net.batch_norm(y, outputs))
            yield f"transposed_{name}_{channels}", (net.finish(net.conv(y, outputs, 3)), (1, channels, 5, 4))
    net = Net(1, 6, 5, 4)  # all that an epilogue takes, and a Pad that the layer absorbs
    y = net.op("Pad", net.op("Relu", "x"), net.ints(0, 0, 1, 0, 0, 0, 0, 2))
    y = transposed(net, y, 6, 6, (2, 2), strides=[2, 2])
    short = net.op("Resize", net.op("Pad", "x", net.ints(0, 0, 1, 0, 0, 0, 0, 2)), "",
                   net.weight(np.array([1, 1, 2, 2], np.float32)), mode="nearest",
                   coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    yield "transposed_residual", (net.finish(net.op("Relu", net.op("Add", y, short))), (1, 6, 5, 4))
    net = Net(1, 4, 6, 6)  # a product by a map, which stays one
    y = transposed(net, net.op("Relu", "x"), 4, 8, (2, 2), strides=[2, 2])
    gate = net.op("Relu", transposed(net, "x", 4, 1, (2, 2), strides=[2, 2]))
    yield "transposed_product", (net.finish(net.op("Mul", y, gate)), (1, 4, 6, 6))


def convolution_cases():
    for cases in (group_cases, inverted_block_cases, gated_map_cases, dilation_cases, transposed_cases):
        yield from cases()
