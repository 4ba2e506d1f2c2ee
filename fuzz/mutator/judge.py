"""Whether what a model gave is right: against ONNX Runtime, or our variants against each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import helper, numpy_helper

from oracle import Oracle
from runner import Limits, Runner, Trial, Variant, variants_of
from tensors import floats_of

TOLERANCE = 1e-4  # of the largest value of an output
# In the mean, where roundings are: a number near half a step may become another one.
MEAN_TOLERANCE = 0.03
NOISE = 1e-6  # relative: what a well-posed model answers with about as much
CANCELLED = 1e-5  # of the largest value on the way: what is left of two that cancel
AMPLIFICATION = 50
DRAWS = 3
FAULTS = ("crashed", "slow", "stuck", "wrong")
EXTREME = 1e15  # products of larger numbers may overflow, or not, by the order of a sum
# Of numbers that hold NaN, ONNX Runtime's extremes give it for some places only, our LRN for all channels.
SPREADS_NAN = (b"MaxPool", b"ReduceMax", b"ReduceMin", b"LRN")
# Inputs with a meaning of their own: noise would change what the model is.
EXACT = {"Resize": (1, 2, 3), "Clip": (1, 2), "Pad": (1, 2)}


Inputs = dict[str, np.ndarray]


@dataclass
class Verdict:
    """`kind` is "agrees", "no oracle", "ill-posed", "large", "loaded", "refused", or "finding"."""

    kind: str
    line: str = ""


@dataclass
class Difference:
    """`error` is of finite values alone."""

    line: str
    error: float = np.inf


@dataclass
class Case:
    """A model and its input sets; `skips` where it has gates, so that not all of it is computed."""

    model: bytes
    sets: list[Inputs]
    has_oracle: bool
    skips: bool


class Judge:
    def __init__(self, runner: Runner, limits: Limits) -> None:
        self.runner, self.oracle = runner, Oracle()
        self.limits = limits
        self.variants = variants_of(runner.targets)

    def judge(self, model: bytes, sets: list[Inputs]) -> Verdict:
        self.runner.ask(model, [list(s.values()) for s in sets], self.variants, self.limits)
        self.oracle.ask(model, sets)
        trial, expected = self.runner.answer(), self.oracle.answer()
        if trial.outcome in FAULTS:
            return Verdict("finding", f"{trial.outcome}: {trial.message} while {trial.phase}")
        if trial.outcome == "refused" and trial.variants:
            return Verdict(
                "finding", f"refused while {trial.phase}, and others ran: {trial.message}"
            )
        if trial.outcome != "ran":
            return Verdict(trial.outcome, trial.message)
        if not sets:
            return Verdict("loaded")
        has_oracle = not isinstance(expected, str)
        case = Case(model, sets, has_oracle, bool(trial.gates))
        return (
            self._compare_threads(trial)
            or self._compare(case, trial, expected if has_oracle else trial.outputs[0])
            or Verdict("agrees" if has_oracle else "no oracle", "" if has_oracle else expected)
        )

    def _compare_threads(self, trial: Trial) -> Verdict | None:
        """The last variant has several threads, and gives to the bit what one thread does."""
        one = self.variants.index(replace(self.variants[-1], threads=1, guard="start"))
        for s, answers in enumerate(zip(trial.outputs[one], trial.outputs[-1])):
            for name, alone, together in zip(trial.names, *answers):
                same = (alone == together) | (np.isnan(alone) & np.isnan(together))
                if not same.all():
                    return Verdict(
                        "finding",
                        f"threads change output {name!r} of set {s} at "
                        f"{(~same).sum()} places of {alone.size}",
                    )
        return None

    def _compare(
        self, case: Case, trial: Trial, reference: list[list[np.ndarray]]
    ) -> Verdict | None:
        """The first output that is wrong, or ill-posed."""
        tolerance = MEAN_TOLERANCE if b"QuantizeLinear" in case.model else None
        source = "ONNX Runtime" if case.has_oracle else str(self.variants[0])
        for variant, outputs in zip(self.variants, trial.outputs):
            for s, values in enumerate(outputs):
                for i, got in enumerate(values):
                    found = differ(reference[s][i], got, tolerance)
                    kind = found and self._kind_of(found, case, s, i, variant)
                    if kind:
                        place = f"output {trial.names[i]!r} of set {s}"
                        return Verdict(kind, f"{variant}: {place} {found.line} ({source})")
        return None

    def _kind_of(
        self, found: Difference, case: Case, s: int, output: int, variant: Variant
    ) -> str | None:
        """What a difference is; None where it is none of ours."""
        inputs = case.sets[s]
        is_finite = all_within(np.inf, case.model, inputs)
        if not is_finite and any(name in case.model for name in SPREADS_NAN):
            return None
        way = self._way(case.model, inputs)
        if any(is_extreme(array) for array in way.values()):
            return None
        # Winograd may spread what is not finite, a gate skip it; what overflows is nobody's.
        may_differ = case.skips or variant.winograd or is_finite
        if may_differ and not all(np.isfinite(array).all() for array in way.values()):
            return None
        # What two larger values cancel to is rounding, which no noise of the inputs may show: both
        # may be constants, as of a padding; a normalisation divides it by a small deviation.
        largest = max((float(np.nanmax(np.abs(v), initial=0)) for v in way.values()), default=0)
        if found.error <= CANCELLED * largest:
            return "ill-posed"
        if np.isfinite(found.error) and self._is_ill_posed(case, inputs, way, output, found.error):
            return "ill-posed"
        return "finding"

    def _way(self, model: bytes, inputs: Inputs) -> Inputs:
        """All float values on the way, by the oracle, or by us; else inputs and weights."""
        watched = onnx.load_from_string(model)
        names = sorted({output for node in watched.graph.node for output in node.output if output})
        shown = [output.name for output in watched.graph.output]
        watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        content = watched.SerializeToString()
        values = self._answer(content, inputs, True) or self._answer(content, inputs, False)
        if values is None:
            return inputs | {tensor.name: array for tensor, array in floats_of(watched.graph)}
        pairs = zip([*shown, *names], values)
        return {name: array for name, array in pairs if array.dtype == np.float32}

    def _is_ill_posed(
        self, case: Case, inputs: Inputs, way: Inputs, output: int, error: float
    ) -> bool:
        """Whether noise moves the output about as much as the error."""
        still = self._answer(case.model, inputs, case.has_oracle)
        moved = 0.0
        for draw in range(DRAWS):
            random = np.random.default_rng(draw)
            noisy = {name: disturbed(random, array) for name, array in inputs.items()}
            result = self._answer(disturbed_model(random, case.model, way), noisy, case.has_oracle)
            if result is None or still is None:
                return True  # noise alone makes it another model
            with np.errstate(all="ignore"):
                change = np.abs(result[output].astype(np.float64) - still[output])
            moved = max(moved, float(np.nanmax(change, initial=0)))
        return error <= AMPLIFICATION * moved

    def _answer(self, model: bytes, inputs: Inputs, has_oracle: bool) -> list[np.ndarray] | None:
        if has_oracle:
            self.oracle.ask(model, [inputs])
            answer = self.oracle.answer()
            return None if isinstance(answer, str) else answer[0]
        self.runner.ask(model, [list(inputs.values())], self.variants[:1], self.limits)
        trial = self.runner.answer()
        return trial.outputs[0][0] if trial.outcome == "ran" else None

    def stop(self) -> None:
        self.oracle.stop()
        self.runner.stop()


def all_within(bound: float, model: bytes, inputs: dict[str, np.ndarray]) -> bool:
    """Whether inputs and weights are below a bound; NaN is not."""
    weights = [array for _, array in floats_of(onnx.load_from_string(model).graph)]
    return all((np.abs(array) < bound).all() for array in [*inputs.values(), *weights])


def is_extreme(array: np.ndarray) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(((np.abs(array) > EXTREME) & np.isfinite(array)).any())


def differ(
    right: np.ndarray, got: np.ndarray, mean_tolerance: float | None = None
) -> Difference | None:
    """What is wrong with an output; with a tolerance of the mean error, by that alone."""
    if right.shape != got.shape:
        return Difference(f"has the shape {list(got.shape)}, not {list(right.shape)}")
    right = right.astype(np.float64)
    right_finite, got_finite = np.isfinite(right), np.isfinite(got)
    lost, gained = got_finite & ~right_finite, right_finite & ~got_finite
    if lost.any():
        return Difference(f"is finite at {lost.sum()} places where it is not")
    if gained.any():
        return Difference(f"is not finite at {gained.sum()} places of {right.size}")
    if not right_finite.any():
        return None
    errors = np.abs(right[right_finite] - got[right_finite])
    error = float(errors.max() if mean_tolerance is None else errors.mean())
    scale = float(np.abs(right[right_finite]).max())
    if error <= (mean_tolerance or TOLERANCE) * scale:
        return None
    return Difference(f"is off by {error:.3g}, the largest value being {scale:.3g}", error)


def disturbed(random: np.random.Generator, array: np.ndarray) -> np.ndarray:
    noise = 1 + NOISE * random.uniform(-1, 1, array.shape)
    with np.errstate(all="ignore"):
        return (array * noise).astype(array.dtype)


def disturbed_model(
    random: np.random.Generator, content: bytes, way: dict[str, np.ndarray]
) -> bytes:
    """Noise in all weights, and in convolutions' results by their largest, as Winograd rounds."""
    model = onnx.load_from_string(content)
    exact = {
        node.input[i]
        for node in model.graph.node
        for i in EXACT.get(node.op_type, ())
        if i < len(node.input)
    }
    for tensor, array in floats_of(model.graph):
        if tensor.name not in exact:
            tensor.CopyFrom(numpy_helper.from_array(disturbed(random, array), tensor.name))
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        if node.op_type == "Conv" and node.output[0] in way:
            result, name = node.output[0], f"{node.output[0]} before noise"
            array = way[result]
            noise = NOISE * np.abs(array).max(initial=0) * random.uniform(-1, 1, array.shape)
            model.graph.initializer.append(
                numpy_helper.from_array(noise.astype(np.float32), f"noise of {result}")
            )
            node.output[0] = name
            nodes.append(helper.make_node("Add", [name, f"noise of {result}"], [result]))
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)
    return model.SerializeToString()
