"""Writes networks, inputs and ONNX Runtime's outputs for them, listed in cases.json.

Without --images: small networks of random weights, and those of CHECKOUT/models and tests/networks over
the images of apps/samples. With it: the latter alone, over COUNT images of DIR/CLASS/*.png, the first of
each class.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, shape_inference
from PIL import Image

from activation_cases import activation_cases, fused_activation_cases
from block_cases import block_cases
from convolution_cases import convolution_cases
from layout_cases import fraction_cases, layout_cases, mixing_cases
from line_cases import line_cases
from nan_cases import nan_cases
from net import RANDOM, Net, outputs_of, run
from operator_cases import operator_cases as further_cases
from size_cases import size_cases
from sparse_cases import sparse_cases
from unrounded_cases import without_roundings
from winograd_cases import channel_cases, phase_cases, tile_cases, winograd_cases


def one(kind, *weights, shape=(1, 17, 9, 7), **attributes):
    """A network of a convolution, so that the operator meets padded lanes, and the operator."""
    net = Net(*shape)
    y = net.conv("x", shape[1], shape[1])
    names = [net.weight(w) for w in weights]
    return net.finish(net.op(kind, y, *names, **attributes)), shape


def gated(form, channels=16, outputs=32, kernel=3, gate="relu", act=False, norm=False, residual=False,
          after=False, groups=1, stride=1, size=(9, 7), dead=None):
    """A layer y = act(conv(x)) * gate(branch(x)) in the forms of `Dong et al.`, section 3."""
    net = Net(1, channels, *size)
    x = net.op("Relu", net.conv("x", channels, channels))
    maps = {"position": 1, "pointwise": 1, "element": outputs, "group": groups}[form]
    branch_kernel = (kernel, kernel) if form == "position" else (1, 1)
    branch = net.conv(x, channels, maps, branch_kernel, strides=[stride] * 2)
    branch = net.batch_norm(branch, maps)
    if dead is not None:
        branch = net.op("Add", branch, net.weight(np.full((1, maps, 1, 1), dead, np.float32)))
    g = net.op("Relu", branch) if gate == "relu" else net.clip(branch)
    y = net.conv(x, channels, outputs, (kernel, kernel), strides=[stride] * 2)
    net.gate(y, g)
    y = net.op("Relu", y) if act else y
    extents = [(size[i] - 1) // stride + 1 for i in range(2)]
    if form == "group":
        each = outputs // groups
        y = net.op("Reshape", y, net.ints(1, groups, each, *extents))
        y = net.op("Mul", y, net.op("Unsqueeze", g, net.ints(2)))
        y = net.op("Reshape", y, net.ints(1, outputs, *extents))
    else:
        y = net.op("Mul", y, g)
    y = net.batch_norm(y, outputs) if norm else y
    y = net.op("Add", y, net.op("Relu", net.conv(x, channels, outputs, (1, 1), strides=[stride] * 2,
                                                 pads=[0] * 4))) if residual else y
    y = net.op("Relu", y) if after else y
    return net.finish(y), (1, channels, *size), net.gates


def gate_cases():
    for form in ("position", "pointwise", "element", "group"):
        for i, options in enumerate((
                {}, {"gate": "clip", "act": True}, {"norm": True, "after": True},
                {"norm": True, "residual": True, "after": True}, {"stride": 2, "residual": True},
                {"channels": 17, "outputs": 40, "kernel": 5}, {"dead": -50.0, "norm": True},
                {"dead": -2.0, "norm": True, "residual": True}, {"dead": -1.0, "act": True},
                {"dead": 50.0}, {"size": (1, 1)})):
            for groups in ((2, 4, 8) if form == "group" else (1,)):
                yield f"gate_{form}{groups}_{i}", gated(form, groups=groups, **options)
    yield "gate_c64", gated("position", 64, 64, norm=True, residual=True, size=(13, 11))
    yield "gate_c100_7x7", gated("position", 100, 100, kernel=7, act=True)


def conv_cases():
    for channels, outputs in ((1, 1), (3, 5), (15, 16), (16, 17), (32, 64), (100, 3)):
        for kernel in ((1, 1), (3, 3), (5, 3), (7, 7)):
            net = Net(1, channels, 10, 9)
            y = net.op("Relu", net.conv("x", channels, outputs, kernel, strides=[1, 2]))
            yield f"conv_{channels}_{outputs}_{kernel[0]}x{kernel[1]}", (
                net.finish(net.conv(y, outputs, 4)), (1, channels, 10, 9))
    net = Net(1, 3, 12, 12)
    yield "conv_uneven_pads", (net.finish(net.conv("x", 3, 8, pads=[2, 0, 1, 3])), (1, 3, 12, 12))


def operator_cases():
    f = lambda *shape: RANDOM.uniform(0.5, 2, shape).astype(np.float32)
    i = lambda *values: np.array(values, np.int64)
    for kind in ("Add", "Sub", "Mul", "Div"):
        yield f"{kind}_map", one(kind, f(1, 1, 9, 7))
        yield f"{kind}_full", one(kind, f(17, 9, 7))
        yield f"{kind}_column", one(kind, f(9, 1))
    yield "hard_sigmoid", one("HardSigmoid", alpha=0.3, beta=0.4)
    yield "max_pool", one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    yield "max_pool_ceil", one("MaxPool", kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1)
    yield "average_pool", one("AveragePool", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])
    yield "average_pool_pad", one("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1],
                                  count_include_pad=1)
    yield "global_average_pool", one("GlobalAveragePool")
    yield "reduce_mean", one("ReduceMean", axes=[2, 3], keepdims=0)
    yield "softmax_c", one("Softmax", axis=1)
    yield "softmax_x", one("Softmax", axis=-1)
    yield "slice", one("Slice", i(0, 1), i(9, 7), i(2, 3), i(2, 2))
    yield "slice_reversed", one("Slice", i(6), i(-100), i(3), i(-2))
    yield "pad", one("Pad", i(0, 2, 1, 0, 0, 3, 0, 2), np.float32(1.5))
    yield "transpose", one("Transpose", perm=[0, 2, 3, 1])
    yield "reshape", one("Reshape", i(1, 7, 17, 9))
    yield "reshape_flat", one("Reshape", i(1, -1))
    yield "flatten", one("Flatten")
    yield "expand", one("Expand", i(1, 17, 9, 7))
    for mode, coordinates in (("nearest", "asymmetric"), ("nearest", "half_pixel"),
                              ("linear", "half_pixel"), ("linear", "align_corners")):
        net = Net(1, 17, 5, 6)
        y = net.op("Resize", net.conv("x", 17, 17), "", net.weight(np.array([1, 1, 2, 3], np.float32)),
                   mode=mode, coordinate_transformation_mode=coordinates)
        yield f"resize_{mode}_{coordinates}", (net.finish(y), (1, 17, 5, 6))
    net = Net(1, 6, 5, 5)
    a, b = net.conv("x", 6, 5), net.op("MaxPool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    yield "concat", (net.finish(net.conv(net.op("Concat", a, b, axis=1), 11, 7)), (1, 6, 5, 5))
    net = Net(1, 6, 5, 5)
    yield "concat_rows", (net.finish(net.op("Concat", "x", net.conv("x", 6, 6), axis=2)), (1, 6, 5, 5))
    net = Net(1, 20, 3, 3)
    y = net.op("Gemm", net.op("Flatten", net.op("Relu", net.conv("x", 20, 20))), net.random(180, 21),
               net.random(21), alpha=0.5, beta=2.0)
    yield "gemm_softmax", (net.finish(net.op("Softmax", y)), (1, 20, 3, 3))
    net = Net(1, 30)
    yield "mat_mul", (net.finish(net.op("Add", net.op("MatMul", "x", net.random(30, 10)),
                                        net.random(10))), (1, 30))
    net = Net(1, 8, 6, 6)  # the branch of the released code's v0: pool, 1x1, upsample
    x = net.op("Relu", net.conv("x", 8, 8))
    tile = net.conv(net.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), 8, 1, (1, 1))
    tile = net.op("Resize", net.op("Relu", tile), "", net.weight(np.array([1, 1, 2, 2], np.float32)),
                  mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    yield "gate_tile", (net.finish(net.op("Mul", net.conv(x, 8, 16), tile)), (1, 8, 6, 6))


def element_cases():
    """Gates per element over an odd number of channels, with few active ones and with many. More are
    active in the first image, which is ten times as large."""
    for height, width in ((7, 9), (16, 16)):
        x = RANDOM.uniform(-1, 1, (3, 16, height, width)).astype(np.float32)
        x[0] *= 10
        net = Net(*x.shape, batch=len(x))
        layers = []
        for channels, outputs, share in ((16, 17, 0.03), (17, 21, 0.8), (17, 35, 0.1)):
            y = net.op("Relu", net.conv("x", 16, channels))
            layer = net.conv(y, channels, outputs)
            gate = net.gate_of_density(net.conv(y, channels, outputs, (1, 1)), [share] * outputs, x)
            net.gate(layer, gate)
            layers.append(net.op("Relu", net.batch_norm(net.op("Mul", layer, gate), outputs)))
        y = net.op("Concat", *layers, axis=1)
        yield f"elements_{width}x{height}", net.finish(y), x, net.gates


def unfused_cases():
    """Products that look like gates and are none: the plan multiplies."""
    for name, is_unclamped, is_shared in (("not_clamped", True, False), ("read_elsewhere", False, True)):
        net = Net(1, 8, 6, 5)
        x = net.op("Relu", net.conv("x", 8, 8))
        branch = net.conv(x, 8, 1)
        y = net.conv(x, 8, 16)
        product = net.op("Mul", y, branch if is_unclamped else net.op("Relu", branch))
        yield f"unfused_{name}", (
            net.finish(net.op("Add", product, y) if is_shared else product), (1, 8, 6, 5))


def chain_cases():
    """Gated layers in a row, so that skipped positions are read, and a gate that serves two."""
    net = Net(1, 16, 11, 9)
    x = net.op("Relu", net.conv("x", 16, 16))
    for _ in range(3):
        g = net.clip(net.batch_norm(net.conv(x, 16, 1), 1))
        y = net.conv(x, 16, 16)
        net.gate(y, g)
        x = net.op("Relu", net.op("Add", net.batch_norm(net.op("Mul", y, g), 16), x))
    yield "chain", (net.finish(x), (1, 16, 11, 9), net.gates)
    net = Net(1, 16, 8, 8)
    x = net.op("Relu", net.conv("x", 16, 16))
    g = net.op("Relu", net.conv(x, 16, 1))
    a, b = net.conv(x, 16, 16), net.conv(x, 16, 32, (1, 1))
    net.gate(a, g)
    net.gate(b, g)
    y = net.op("Concat", net.op("Mul", a, g), net.op("Mul", g, b), axis=1)
    yield "shared_gate", (net.finish(y), (1, 16, 8, 8), net.gates)
    net = Net(1, 16, 9, 9)  # the shortcut without weights: every second pixel, more channels
    x = net.op("Relu", net.conv("x", 16, 16))
    g = net.op("Relu", net.conv(x, 16, 1, strides=[2, 2]))
    y = net.conv(x, 16, 32, strides=[2, 2])
    net.gate(y, g)
    short = net.op("Slice", x, net.ints(0, 0), net.ints(9, 9), net.ints(2, 3), net.ints(2, 2))
    short = net.op("Pad", short, net.ints(0, 8, 0, 0, 0, 8, 0, 0))
    yield "sliced_shortcut", (net.finish(net.op("Relu", net.op("Add", net.op("Mul", y, g), short))),
                              (1, 16, 9, 9), net.gates)


def batch_cases():
    for name, batch in (("batch_fixed", None), ("batch_symbolic", 3)):
        net = Net(3, 5, 6, 4, batch=batch)
        y = net.op("Relu", net.conv("x", 5, 9))
        y = net.op("GlobalAveragePool", net.op("Mul", net.conv(y, 9, 16),
                                               net.clip(net.conv(y, 9, 1))))
        yield name, (net.finish(net.op("Flatten", y)), (3, 5, 6, 4))


def pair():
    """Two inputs, two outputs: sum and difference."""
    names = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 4, 5, 6])
             for n in ("a", "b", "sum", "difference")]
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"], "add"),
             helper.make_node("Sub", ["a", "b"], ["difference"], "sub")]
    model = helper.make_model(helper.make_graph(nodes, "pair", names[:2], names[2:]),
                              opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model


def before_enlargement(gate, producers):
    """The map of which a gate repeats every value over squares, else the gate."""
    node = producers[gate]
    node = producers[node.input[0]] if node.op_type == "Slice" else node
    return node.input[0] if node.op_type == "Resize" else gate


class Folder:
    """Where the cases are written."""

    def __init__(self, path):
        self.path, self.cases = path, []
        path.mkdir(parents=True, exist_ok=True)

    def write(self, name, values):
        np.ascontiguousarray(values, np.float32).tofile(self.path / name)
        return {"file": name, "shape": list(values.shape)}

    def add(self, kind, name, model, x, y, gates):
        self.cases.append({
            "kind": kind, "name": name, "model": str(model), "x": self.write(f"{name}.x", x),
            "y": self.write(f"{name}.y", y),
            "gates": [{"layer": layer, **self.write(f"{name}.gate{i}", values)}
                      for i, (layer, values) in enumerate(gates)]})

    def add_outputs(self, name, model, x, ys):
        """A network of several outputs."""
        self.cases.append({"kind": "layout", "name": name, "model": str(model),
                           "x": self.write(f"{name}.x", x),
                           "outputs": [self.write(f"{name}.y{i}", y) for i, y in enumerate(ys)]})

    def finish(self):
        (self.path / "cases.json").write_text(json.dumps(self.cases, indent=1))


def gates_of(model):
    """(convolution's node, gate's value) of every product by a map of one channel."""
    shapes = {v.name: v.type.tensor_type.shape.dim
              for v in shape_inference.infer_shapes(model).graph.value_info}
    producers = {output: node for node in model.graph.node for output in node.output}
    gates = []
    for node in model.graph.node:
        if node.op_type != "Mul":
            continue
        for gate, layer in (node.input, node.input[::-1]):
            is_map = gate in shapes and len(shapes[gate]) == 4 and shapes[gate][1].dim_value == 1
            # A branch is multiplied too, by a constant.
            if is_map and layer in producers and producers[layer].op_type != "Constant":
                gate = before_enlargement(gate, producers)
                producer = producers[layer]
                while producer.op_type != "Conv":
                    producer = producers[producer.input[0]]
                gates.append((producer.name, gate))
    return gates


def first_of_each_class(folder, count):
    classes = [sorted([*c.glob("*.jpg"), *c.glob("*.png")]) for c in sorted(folder.iterdir()) if c.is_dir()]
    each = count // max(len(classes), 1)
    if not classes or each < 1 or min(map(len, classes)) < each:
        raise SystemExit(f"make_cases.py: {folder}: has no {count} images in folders of one class "
                         "each; name a folder laid out as CLASS/NAME.png or .jpg")
    return [file for c in classes for file in c[:each]]


def network_cases(checkout, folders, files):
    """Networks for images of these files' size; models/int8 holds larger ones too."""
    size = Image.open(files[0]).size[::-1]
    for path in sorted(path for folder in folders for path in (checkout / folder).glob("*.onnx")):
        model = onnx.load(path)
        extents = model.graph.input[0].type.tensor_type.shape.dim[2:]
        if tuple(extent.dim_value for extent in extents) != size:
            continue
        metadata = {p.key: json.loads(p.value) for p in model.metadata_props
                    if p.key in ("sluice.mean", "sluice.std")}
        mean, deviation = (np.array(metadata[f"sluice.{k}"], np.float32) for k in ("mean", "std"))
        images = np.stack([np.asarray(Image.open(f).convert("RGB"), np.float32) for f in files])
        yield path, model, ((images / 255 - mean) / deviation).transpose(0, 3, 1, 2)


def add_small(folder):
    def add(name, model, x, gates):
        path = folder.path / f"{name}.onnx"
        onnx.save(model, path)
        folder.add("small", name, path, x, *run(model, gates, [x]))

    def draw(*generators):
        for generator in generators:
            for name, (model, shape, *gates) in generator():
                add(name, model, RANDOM.uniform(-1, 1, shape).astype(np.float32), sum(gates, []))

    draw(gate_cases, conv_cases, operator_cases, unfused_cases, chain_cases, tile_cases,
         phase_cases, batch_cases)
    for cases in (winograd_cases, element_cases, sparse_cases):
        for case in cases():
            add(*case)
    for name, model, x in (*layout_cases(), *fraction_cases()):
        path = folder.path / f"{name}.onnx"
        onnx.save(model, path)
        folder.add_outputs(name, path, x, outputs_of(model, x))
    for name, model, x in mixing_cases():
        path = folder.path / f"{name}.onnx"
        onnx.save(model, path)
        folder.add("mixing", name, path, x, *run(model, [], x[:, None]))
    for name, model, *values in nan_cases():
        path = folder.path / f"{name}.onnx"
        onnx.save(model, path)
        folder.add("nan", name, path, *values)
    for case in (*channel_cases(), *block_cases()):
        add(*case)
    draw(activation_cases, further_cases, convolution_cases, line_cases, fused_activation_cases)
    onnx.save(pair(), folder.path / "pair.onnx")
    for name, model, x in size_cases():
        path = folder.path / "symbolic.onnx"
        onnx.save(model, path)
        folder.add("size", name, path, x, *run(model, [], [x]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--images", type=Path, metavar="DIR")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--every", type=int, default=1, metavar="N",
                        help="of apps/samples, the first of every N images")
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    folder = Folder(arguments.output.resolve())
    if arguments.images:
        files = first_of_each_class(arguments.images, arguments.count)
    else:
        files = sorted((checkout / "apps" / "samples").glob("*.png"))[:: arguments.every]
        add_small(folder)
    for path, model, images in network_cases(checkout, ["models/int8"], files[:2]):
        folder.add("unrounded", path.stem, path, images,
                   *run(without_roundings(model), [], images[:, None]))
    for path, model, images in network_cases(checkout, ["models", "tests/networks"], files):
        folder.add("network", path.stem, path, images,
                   *run(model, gates_of(model), images[:, None]))
    folder.finish()


main()
