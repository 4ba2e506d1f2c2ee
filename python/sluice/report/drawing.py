"""The plan's drawing, laid out by Graphviz."""

from __future__ import annotations

import contextlib
import html
import os
import re
import sys
from collections.abc import Iterator, Sequence

import pygraphviz

from .._tensors import TensorInfo
from .plan import WORDS, Box, css_class, describe, edges_of


def _label(box: Box) -> str:
    """As Graphviz's HTML-like labels have it."""
    step = box.main_steps[-1]
    rows = [f'<B>{html.escape(_cut(box.short, 34))}</B>',
            f'<FONT POINT-SIZE="10">{html.escape(WORDS[step.algorithm])}</FONT>',
            f'<FONT POINT-SIZE="10">{html.escape(step.shape)}</FONT>']
    last = f"{sum(box.microseconds):.2f} µs"
    if box.density is not None:
        last = f"density {box.density:.0%}   ·   {last}"
    rows.append(f'<FONT POINT-SIZE="10">{last}</FONT>')
    cells = "".join(f"<TR><TD>{row}</TD></TR>" for row in rows)
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{cells}</TABLE>>'


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"…{text[1 - most:]}"


def draw(boxes: Sequence[Box], inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> str:
    """An SVG whose boxes have the ids of `boxes`, and colours by page.css."""
    graph = pygraphviz.AGraph(directed=True, strict=False, rankdir="TB", nodesep="0.3", ranksep="0.32",
                              bgcolor="transparent")
    graph.node_attr.update(shape="box", style="rounded,filled", fontname="Helvetica", fontsize="12",
                           margin="0.18,0.06")
    graph.edge_attr.update(arrowsize="0.6")
    for box in boxes:
        gated = " gated" if box.density is not None else ""
        graph.add_node(box.id, id=box.id, label=_label(box), **{"class": f"step {css_class(box.kind)}{gated}"})
    for word, tensors in (("in", inputs), ("out", outputs)):
        for tensor in tensors:
            extents = " × ".join(map(str, tensor.shape))
            graph.add_node(f"{word}:{tensor.name}", label=f"{tensor.name}\n{extents} {tensor.dtype}",
                           **{"class": "tensor"}, shape="box", style="filled", fontsize="11")
    for edge in edges_of(boxes):
        graph.add_edge(edge.tail, edge.head, id=f"{edge.tail}__{edge.head}",
                       **{"class": "gate-edge" if edge.of_gate else "edge"})
    with _quiet():
        svg = graph.draw(format="svg", prog="dot").decode()
    return _for_page(svg, boxes)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps from the terminal what Graphviz's libraries say of the system's fonts, which are no fault of a user's."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _for_page(svg: str, boxes: Sequence[Box]) -> str:
    """Without its prologue and titles, which browsers show as tooltips; boxes take the keyboard's focus."""
    svg = re.sub(r"<!--.*?-->|<title>.*?</title>", "", svg[svg.index("<svg"):], flags=re.DOTALL)
    for box in boxes:
        style = f' style="--density:{box.density:.4f}"' if box.density is not None else ""
        said = html.escape(describe(box))
        start = f'<g id="{box.id}" '
        svg = svg.replace(start, f'{start}tabindex="0" role="img" aria-label="{said}"{style} ', 1)
    return svg.replace("<svg ", '<svg role="group" aria-label="The plan, from its input above to its output below" ', 1)
