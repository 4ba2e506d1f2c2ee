"""Writes networks, inputs and ONNX Runtime's outputs for them, listed in cases.json.

Without --pictures: small networks of random weights, and those of CHECKOUT/models over the pictures
of apps/samples. With it: those of CHECKOUT/models alone, over COUNT pictures of DIR/CLASS/*.jpg, the
first of each class.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, shape_inference
from PIL import Image

RANDOM = np.random.default_rng(20261124)


class Net:
    """A graph under construction; every method returns the name of a value."""

    def __init__(self, *shape, opset=17, batch=None):
        self.shape, self.opset, self.batch = shape, opset, batch
        self.nodes, self.weights, self.gates = [], [], []

    def weight(self, values):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def random(self, *shape, low=-1.0, high=1.0):
        return self.weight(RANDOM.uniform(low, high, shape).astype(np.float32))

    def ints(self, *values):
        return self.weight(np.array(values, np.int64))

    def op(self, kind, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], f"n{len(self.nodes)}", **attributes))
        return name

    def conv(self, x, channels, outputs, kernel=(3, 3), bias=True, **attributes):
        attributes.setdefault("pads", [kernel[0] // 2, kernel[1] // 2] * 2)
        scale = 1 / np.sqrt(channels * kernel[0] * kernel[1])
        weights = self.random(outputs, channels, *kernel, low=-3 * scale, high=3 * scale)
        biases = [self.random(outputs)] if bias else []
        return self.op("Conv", x, weights, *biases, **attributes)

    def batch_norm(self, x, channels):
        parameters = [self.random(channels) for _ in range(3)]
        return self.op("BatchNormalization", x, *parameters, self.random(channels, low=0.5, high=2))

    def clip(self, x):
        return self.op("Clip", x, self.weight(np.float32(0)), self.weight(np.float32(1)))

    def opened(self, branch, shares, x):
        """A gate whose maps are open at these shares of their positions over all pictures of x; its
        values are at most 2."""
        values, _ = run(self.finish(branch), [], [x])
        largest = np.abs(values).max()
        bounds = [np.quantile(values[:, i], 1 - share) / largest for i, share in enumerate(shares)]
        scaled = self.op("Mul", branch, self.weight(np.float32(1 / largest)))
        bounds = self.weight(np.array(bounds, np.float32).reshape(1, -1, 1, 1))
        return self.op("Relu", self.op("Sub", scaled, bounds))

    def gate(self, layer, gate):
        """Records that `gate` decides what is computed of the convolution whose output is `layer`."""
        self.gates.append((f"n{layer[1:]}", gate))

    def finish(self, y):
        shape = ["N" if self.batch else self.shape[0], *self.shape[1:]]
        graph = helper.make_graph(
            self.nodes, "case", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, None)], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 9
        return model


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


def unfused_cases():
    """Products that look like gates and are none: the plan multiplies."""
    for name, is_open, is_shared in (("not_clamped", True, False), ("read_elsewhere", False, True)):
        net = Net(1, 8, 6, 5)
        x = net.op("Relu", net.conv("x", 8, 8))
        branch = net.conv(x, 8, 1)
        y = net.conv(x, 8, 16)
        product = net.op("Mul", y, branch if is_open else net.op("Relu", branch))
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


def winograd_net(x, shares):
    """Layers that Winograd computes, for pictures x [N, 16, H, W], and their gates.

    Over 16 channels, a layer with a residual for each share of positions that is open, one without
    a gate, and two of element gates; then groups, and positions over 64 channels.
    """
    height, width = x.shape[2:]
    net = Net(*x.shape, batch=len(x))
    y = net.op("Relu", net.conv("x", 16, 16))
    for maps, share in [(1, share) for share in shares] + [(0, 1), (16, 0.03), (16, 0.8)]:
        layer = net.conv(y, 16, 16)
        if maps:
            gate = net.opened(net.conv(y, 16, maps, (1, 1)), [share] * maps, x)
            net.gate(layer, gate)
            layer = net.op("Mul", layer, gate)
        y = net.op("Relu", net.op("Add", net.batch_norm(layer, 16), y))
    layer, gate = net.conv(y, 16, 128), net.opened(net.conv(y, 16, 2), (0.1, 0.9), x)
    net.gate(layer, gate)
    parts = net.op("Reshape", layer, net.ints(0, 2, 64, height, width))
    parts = net.op("Mul", parts, net.op("Unsqueeze", gate, net.ints(2)))
    y = net.op("Relu", net.conv(net.op("Reshape", parts, net.ints(0, 128, height, width)), 128, 64))
    for share in (0.2, 0.95):
        layer, gate = net.conv(y, 64, 64), net.opened(net.conv(y, 64, 1), [share], x)
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
    """Gates a tile over layers of F(4x4, 3x3), of stride 2, without Winograd, and of F(2x2, 3x3)."""
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
    """The map of which a gate repeats every value 4x4 times, else the gate."""
    node = producers[gate]
    node = producers[node.input[0]] if node.op_type == "Slice" else node
    return node.input[0] if node.op_type == "Resize" else gate


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
            if gate in shapes and len(shapes[gate]) == 4 and shapes[gate][1].dim_value == 1:
                gate = before_enlargement(gate, producers)
                producer = producers[layer]
                while producer.op_type != "Conv":
                    producer = producers[producer.input[0]]
                gates.append((producer.name, gate))
    return gates


def first_of_each_class(folder, count):
    classes = [sorted(c.glob("*.jpg")) for c in sorted(folder.iterdir()) if c.is_dir()]
    each = count // max(len(classes), 1)
    if not classes or each < 1 or min(map(len, classes)) < each:
        raise SystemExit(f"make_cases.py: {folder}: has no {count} pictures in folders of one class "
                         "each; name a folder laid out as CLASS/NAME.jpg")
    return [file for c in classes for file in c[:each]]


def network_cases(checkout, files):
    for path in sorted((checkout / "models").glob("*.onnx")):
        model = onnx.load(path)
        metadata = {p.key: json.loads(p.value) for p in model.metadata_props
                    if p.key in ("sluice.mean", "sluice.std")}
        mean, deviation = (np.array(metadata[f"sluice.{k}"], np.float32) for k in ("mean", "std"))
        pictures = np.stack([np.asarray(Image.open(f).convert("RGB"), np.float32) for f in files])
        yield path, model, ((pictures / 255 - mean) / deviation).transpose(0, 3, 1, 2)


def run(model, gates, batches):
    """ONNX Runtime's output and gates: what each batch gives, joined."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    names = list(dict.fromkeys(gate for _, gate in gates))
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(watched.SerializeToString(), options,
                                           ["CPUExecutionProvider"])
    x = session.get_inputs()[0].name
    results = [session.run(None, {x: batch.astype(np.float32)}) for batch in batches]
    output, *maps = (np.concatenate(parts) for parts in zip(*results))
    values = dict(zip(names, maps))
    return output, [(layer, values[gate]) for layer, gate in gates]


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

    def finish(self):
        (self.path / "cases.json").write_text(json.dumps(self.cases, indent=1))


def add_small(folder):
    def add(name, model, x, gates):
        path = folder.path / f"{name}.onnx"
        onnx.save(model, path)
        folder.add("small", name, path, x, *run(model, gates, [x]))

    for generator in (gate_cases, conv_cases, operator_cases, unfused_cases, chain_cases,
                      tile_cases, batch_cases):
        for name, (model, shape, *gates) in generator():
            add(name, model, RANDOM.uniform(-1, 1, shape).astype(np.float32), sum(gates, []))
    for case in winograd_cases():
        add(*case)
    onnx.save(pair(), folder.path / "pair.onnx")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--pictures", type=Path, metavar="DIR")
    parser.add_argument("--count", type=int, default=500)
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    folder = Folder(arguments.output.resolve())
    if arguments.pictures:
        files = first_of_each_class(arguments.pictures, arguments.count)
    else:
        files = sorted((checkout / "apps" / "samples").glob("*.jpg"))
        add_small(folder)
    for path, model, pictures in network_cases(checkout, files):
        folder.add("network", path.stem, path, pictures,
                   *run(model, gates_of(model), pictures[:, None]))
    folder.finish()


main()
