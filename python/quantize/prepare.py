"""A float32 network made ready: constants folded, batch norms in the weights."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from errors import QuantizeError
from gates import Gate, lower_bound, match_gate
from graph import Graph, attribute

# DequantizeLinear has scales per channel from here on.
FIRST_OPSET = 13
# What onnxruntime's fusions put before the names of weights and biases.
FUSED_PREFIXES = (
    "ConvBnFusion_W_",
    "ConvBnFusion_BN_B_",
    "ConvMulFusion_W_",
    "ConvMulFusion_Mul_B_",
    "ConvAddFusion_Add_B_",
)


def read(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path)
    except OSError as error:
        reason = error.strerror or "no such file"
        raise QuantizeError(f"{path}: cannot be read ({reason}); name an ONNX file") from error
    except DecodeError as error:
        raise QuantizeError(f"{path}: is no ONNX file; export the network to ONNX") from error
    if not model.graph.node:
        raise QuantizeError(f"{path}: is no ONNX file; export the network to ONNX")
    check(path, model)
    return model


def check(path: Path, model: onnx.ModelProto) -> None:
    kinds = {node.op_type for node in model.graph.node}
    if any("QuantizeLinear" in kind or kind.startswith("QLinear") for kind in kinds):
        raise QuantizeError(f"{path}: is quantised already; name the float32 network")
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if opset < FIRST_OPSET:
        raise QuantizeError(
            f"{path}: has opset {opset}; export it with opset {FIRST_OPSET} or later"
        )
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    dims = list(inputs[0].type.tensor_type.shape.dim) if len(inputs) == 1 else []
    is_image = (
        len(dims) == 4
        and dims[1].dim_value == 3
        and min(d.dim_value for d in dims[2:]) > 0
        and inputs[0].type.tensor_type.elem_type == TensorProto.FLOAT
    )
    if not is_image:
        raise QuantizeError(
            f"{path}: takes no colour image; export it with one float32 input [N, 3, height, width]"
        )


def open_session(
    model: onnx.ModelProto, folded_to: Path | None = None
) -> onnxruntime.InferenceSession:
    """On one thread, so that results repeat. `folded_to`: only folds constants and batch norms, and
    writes what results."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # Else sums of products of bytes saturate on CPUs without VNNI.
    options.add_session_config_entry("session.x64quantprecision", "1")
    if folded_to is not None:
        basic = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.graph_optimization_level = basic
        options.optimized_model_filepath = str(folded_to)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def fold(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """By onnxruntime's basic optimisations. All that is not the graph's nodes stays as it was."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "folded.onnx"
        try:
            open_session(model, folded_to=file)
        except Exception as error:  # onnxruntime has no class of its own for all of them
            reason = " ".join(str(error).split())[:200]
            raise QuantizeError(
                f"{path}: onnxruntime cannot load it ({reason}); check it with onnx.checker"
            ) from error
        folded = onnx.load(file)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    remarks = {node.output[0]: node.doc_string for node in graph.node}
    places = {name: place for place, node in enumerate(graph.node) for name in node.output}
    nodes = list(folded.graph.node)
    if all(node.output[0] in places for node in nodes):
        nodes.sort(key=lambda node: places[node.output[0]])
    for part, source in ((graph.node, nodes), (graph.initializer, folded.graph.initializer)):
        del part[:]
        part.extend(source)
    del graph.value_info[:]
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(inputs)
    for node in graph.node:
        node.doc_string = remarks.get(node.output[0], node.doc_string)
    return result


def restore_names(graph: Graph) -> None:
    """Weights have the names that they had before a batch norm was folded into them."""
    names = {tensor.name for tensor in graph.model.graph.initializer}
    new = {}
    for name in sorted(names):
        plain = next((name[len(p) :] for p in FUSED_PREFIXES if name.startswith(p)), name)
        if plain not in names:
            new[name] = plain
            names.add(plain)
    for tensor in graph.model.graph.initializer:
        tensor.name = new.get(tensor.name, tensor.name)
    for node in graph.model.graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
    graph.index()


def scale_and_shift(graph: Graph, norm: onnx.NodeProto) -> tuple[np.ndarray, np.ndarray]:
    """float64 [channels] each."""
    weight, bias, mean, variance = (graph.constant(x).astype(np.float64) for x in norm.input[1:5])
    scale = weight / np.sqrt(variance + attribute(norm, "epsilon", 1e-5))
    return scale, bias - mean * scale


def can_scale(graph: Graph, gate: Gate, scale: np.ndarray) -> bool:
    """Whether a factor behind the gate may move before it."""
    readers = [graph.is_read_once(gate.conv.output[0]), graph.is_read_once(gate.output)]
    passes = all(
        lower_bound(graph, node) == 0 and upper_bound(graph, node) == np.inf for node in gate.clamps
    )
    return all(readers) and (not gate.clamps or (passes and bool((scale > 0).all())))


def upper_bound(graph: Graph, node: onnx.NodeProto) -> float:
    if node.op_type == "Relu" or len(node.input) < 3 or not node.input[2]:
        return np.inf
    bound = graph.constant(node.input[2])
    return np.nan if bound is None else float(bound.reshape(-1)[0])


def scale_outputs(graph: Graph, name: str, scale: np.ndarray) -> np.ndarray:
    """Weights or bias of a convolution, each output's times its scale."""
    value = graph.constant(name)
    return (value * scale.reshape(-1, *[1] * (value.ndim - 1))).astype(np.float32)


def fold_norm(graph: Graph, norm: onnx.NodeProto) -> None:
    """Behind a gate: the factor goes into the weights, the shift stays as an Add of that name."""
    gate = match_gate(graph, graph.producer(norm.input[0]))
    is_fixed = all(map(graph.is_constant, norm.input[1:])) and not attribute(
        norm, "training_mode", 0
    )
    if gate is None or gate.output != norm.input[0] or not is_fixed:
        return
    scale, shift = scale_and_shift(graph, norm)
    if not can_scale(graph, gate, scale):
        return
    for position, name in enumerate(gate.conv.input):
        if position > 0 and name:
            graph.replace(gate.conv, position, scale_outputs(graph, name, scale))
    shape = (1, -1, 1, 1)
    shift_name = f"{norm.output[0]}.shift"
    graph.add(shift_name, shift.reshape(shape).astype(np.float32))
    add = helper.make_node("Add", [norm.input[0], shift_name], [norm.output[0]], norm.name)
    add.doc_string = norm.doc_string
    norm.CopyFrom(add)
    graph.index()


def prepare(path: Path, model: onnx.ModelProto) -> Graph:
    """`model` with constants and batch norms folded, for `path` in messages. The numbers are the
    same but for rounding in float32."""
    graph = Graph(fold(path, model))
    for node in graph.nodes:
        if node.op_type == "BatchNormalization":
            fold_norm(graph, node)
    restore_names(graph)
    graph.drop_unused()
    layers = [node for node in graph.nodes if graph.has_weights(node)]
    if not layers:
        raise QuantizeError(
            f"{path}: has no layer with constant weights, so there is nothing to "
            "quantise; export the network with its weights"
        )
    for node in layers:
        if not all(np.isfinite(graph.constant(name)).all() for name in node.input[1:] if name):
            raise QuantizeError(
                f"{path}: the weights of '{node.name or node.output[0]}' are not all "
                "finite; train or export the network again"
            )
    return graph
