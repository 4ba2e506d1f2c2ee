"""Graphs under construction, and what ONNX Runtime computes for them."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

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

    def gate_of_density(self, branch, shares, x):
        """A gate whose maps are active at these shares of their positions over all images of x; its
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

    def finish(self, *ys):
        shape = ["N" if self.batch else self.shape[0], *self.shape[1:]]
        graph = helper.make_graph(
            self.nodes, "case", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, None) for y in ys], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 9
        return model


def outputs_of(model, x):
    """All that ONNX Runtime computes from x, its optimisations off."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it infers other extents than it computes, and warns
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           ["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})


def run(model, gates, batches, optimises=True):
    """ONNX Runtime's output and gates: what each batch gives, joined. Its optimiser gives layers
    padded channels, whose weights of zero make NaN of infinities."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    names = list(dict.fromkeys(gate for _, gate in gates))
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # Else sums of products of bytes saturate on CPUs without VNNI.
    options.add_session_config_entry("session.x64quantprecision", "1")
    if not optimises:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(watched.SerializeToString(), options,
                                           ["CPUExecutionProvider"])
    x = session.get_inputs()[0].name
    results = [session.run(None, {x: batch.astype(np.float32)}) for batch in batches]
    output, *maps = (np.concatenate(parts) for parts in zip(*results))
    values = dict(zip(names, maps))
    return output, [(layer, values[gate]) for layer, gate in gates]
