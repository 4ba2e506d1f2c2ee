"""Tables of networks: accuracy and cut by the index, times by the benchmark."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from entries import Entry
from times import Times

HEAD = ("network", "gates", "accuracy (dense)", "MACs cut", "ours, dense", "ours, gated",
        "best peer, dense", "best peer, gated")  # fmt: skip
PRECISIONS = {"fp32": "float32", "int8": "int8"}
TARGETS = {"avx2": "AVX2", "avx512": "AVX-512", "avx512_amx": "AMX", "avx512_vnni": "AVX-512 VNNI",
           "sse41": "SSE4.1"}  # fmt: skip
# Of synthetic networks those at half density: make_synthetic.py names them so.
SYNTHETIC = re.compile(r"((?:pre)?resnet\d+)_(lccl|tiles|block\w*)_d50_synthetic")
SYNTHETIC_GATES = {"lccl": "per position", "tiles": "per tile"}


SHORT_HEAD = ("kernels", "network", "accuracy (dense)", "MACs cut", "dense", "gated", "best peer, dense")


def summarise(index: list[Entry], measured: Iterable[Times]) -> str:
    """One table of the trained gated networks, for README."""
    rows = []
    for times in measured:
        for precision in times.precisions():
            kernels = f"{TARGETS.get(times.target, times.target)}, {PRECISIONS[precision]}"
            rows += [(kernels, name, accuracy, cut, dense, gated, peer)
                     for name, gates, accuracy, cut, dense, gated, peer, _ in _trained(index, times, precision)
                     if gates != "dense"]  # fmt: skip
    return "\n".join(_lines(SHORT_HEAD, rows)) + "\n"


def describe(index: list[Entry], measured: Iterable[Times]) -> str:
    """A table for each target and precision that was measured."""
    parts = []
    for times in measured:
        for precision in times.precisions():
            rows = [*_trained(index, times, precision), *_synthetic(times, precision)]
            if rows:
                parts.append(_table(times, precision, rows))
    return "\n".join(parts)


def _table(times: Times, precision: str, rows: list[tuple[str, ...]]) -> str:
    peak = times.machine.get("int8_peak_gops" if precision == "int8" else "fma_peak_gflops")
    unit = "GOPS" if precision == "int8" else "GFLOPS"
    at = f" at {peak:.0f} {unit}" if peak else ""
    target = TARGETS.get(times.target, times.target)
    lines = [
        f"**{target}, {PRECISIONS[precision]}**, one core of an {times.machine['cpu']}{at}:",
        "",
        *_lines(HEAD, rows),
    ]
    return "\n".join(lines) + "\n"


def _lines(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """A table whose first two columns are words."""
    return [
        "| " + " | ".join(head) + " |",
        "|---|---|" + "---:|" * (len(head) - 2),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def network_name(net: str) -> str:
    """'ResNet-20' of 'resnet20'."""
    found = re.fullmatch(r"(pre)?resnet(\d+)", net)
    return f"{'Pre-activation ' if found[1] else ''}ResNet-{found[2]}" if found else net


def gates_text(entry: Entry) -> str:
    """'per tile, stages 1 and 2'; grains where gates are per block."""
    gates = entry["gates"]
    if gates is None:
        return "dense"
    grains = gates["grains"]
    if gates["form"] == "block":
        return f"per block, grains {'-'.join(grains)}"
    stages = [str(number) for number, grain in enumerate(grains, 1) if grain != "none"]
    if len(stages) == len(grains):
        return gates["granularity"]
    where = f"stage {stages[0]}" if len(stages) == 1 else f"stages {' and '.join(stages)}"
    return f"{gates['granularity']}, {where}"


def _percent(share: float | None, digits: int) -> str:
    return "" if share is None else f"{100 * share:.{digits}f}%"


def _ms(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['median_ms']:#.3g}".rstrip(".")


def _gated_ms(gated: dict[str, Any] | None, dense: dict[str, Any] | None) -> str:
    """Bold where it is faster than our dense network."""
    text = _ms(gated)
    is_faster = gated is not None and dense is not None and gated["median_ms"] < dense["median_ms"]
    return f"**{text}**" if is_faster else text


def _trained(index: list[Entry], times: Times, precision: str) -> list[tuple[str, ...]]:
    """Gated networks by data, depth and cut; dense ones alone where no gated one was timed."""
    timed = [e for e in index if e["precision"] == precision and times.ours(e["file"])]
    with_twins = {entry["dense"] for entry in timed}
    shown = [e for e in timed if e["gates"] is not None or e["file"] not in with_twins]
    shown.sort(key=lambda e: (e["data"], _depth(e["network"]), -(e["macs_cut"] or 0), e["file"]))
    rows = []
    for entry in shown:
        name = f"{network_name(entry['network'])}, {entry['data']}"
        accuracy = _percent(entry["accuracy"], 2)
        if entry["gates"] is None:
            dense = times.ours(entry["file"])
            peer = times.best_peer(entry["file"])
            rows.append((name, "dense", accuracy, "", _ms(dense), "", _ms(peer), ""))
            continue
        dense = times.ours(entry["dense"])
        rows.append((
            name,
            gates_text(entry),
            f"{accuracy} ({_percent(entry['dense_accuracy'], 2)})",
            _percent(entry["macs_cut"], 1),
            _ms(dense),
            _gated_ms(times.ours(entry["file"]), dense),
            _ms(times.best_peer(entry["dense"])),
            _ms(times.best_peer(entry["file"])),
        ))  # fmt: skip
    return rows


def _depth(net: str) -> int:
    found = re.search(r"\d+", net)
    return int(found[0]) if found else 0


def _synthetic(times: Times, precision: str) -> list[tuple[str, ...]]:
    rows = []
    for ours in times.rows:
        found = SYNTHETIC.fullmatch(ours["file"].removesuffix("_int8"))
        if ours["engine"] != "sluice" or ours["precision"] != precision or not found:
            continue
        suffix = "_int8" if ours["file"].endswith("_int8") else ""
        twin = f"{found[1]}_dense_synthetic{suffix}"
        dense = times.ours(twin)
        cut = "" if dense is None else (
            _percent(1 - ours["macs_executed"] / dense["macs_executed"], 1)
        )  # fmt: skip
        rows.append((
            f"{network_name(found[1])}, synthetic weights",
            SYNTHETIC_GATES.get(found[2], "per block"),
            "",
            cut,
            _ms(dense),
            _gated_ms(ours, dense),
            _ms(times.best_peer(twin)),
            _ms(times.best_peer(ours["file"])),
        ))  # fmt: skip
    return sorted(rows, key=lambda row: (_depth(row[0]), row[1]))
