"""What the command prints."""

from __future__ import annotations

import onnx

from evaluate import Comparison, count_macs, macs_cut
from gates import Gate
from graph import Graph
from noise import Noise

WORST_LAYERS = 10


def percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Aligned columns, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        )
        for row in rows
    ]


def describe_layers(graph: Graph, quantised: onnx.ModelProto) -> str:
    layers = [node for node in graph.nodes if graph.has_weights(node)]
    activations = sum(node.op_type == "QuantizeLinear" for node in quantised.graph.node)
    return f"{len(layers)} layers with s8 weights, {activations} tensors held as u8"


def describe_accuracy(comparison: Comparison, is_labelled: bool) -> list[str]:
    before, after = comparison.before, comparison.after
    lines = []
    if is_labelled:
        lost = 100 * (before.accuracy - after.accuracy)
        lines.append(
            f"accuracy {percent(before.accuracy)} before, {percent(after.accuracy)} after: "
            f"{abs(lost):.2f} points {'lost' if lost >= 0 else 'gained'}"
        )
    lines.append(f"equal best class {percent(comparison.equal / before.images)}")
    return [f"{line}, on {before.images} images" for line in lines]


def describe_gates(graph: Graph, gates: list[Gate], comparison: Comparison) -> list[str]:
    if not gates:
        return []
    macs = count_macs(graph)
    before, after = comparison.before.densities, comparison.after.densities
    cuts = [percent(macs_cut(macs, gates, densities)) for densities in (before, after)]
    rows = [("gated layer", "density before", "after")]
    rows += [(gate.name, f"{before[gate.name]:.3f}", f"{after[gate.name]:.3f}") for gate in gates]
    return [f"MACs cut {cuts[0]} before, {cuts[1]} after, net of the LCCL branches", *table(rows)]


def describe_noise(noises: list[Noise]) -> list[str]:
    worst = sorted(noises, key=lambda noise: noise.alone)[:WORST_LAYERS]
    rows = [("tensor", "alone", "together")]
    rows += [(noise.tensor, f"{noise.alone:.1f} dB", f"{noise.together:.1f} dB") for noise in worst]
    return [
        f"signal to quantisation noise, the {len(worst)} worst of {len(noises)} tensors",
        *table(rows),
    ]
