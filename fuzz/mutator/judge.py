"""Whether what a model gave is right: against ONNX Runtime, or our variants against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from oracle import Oracle
from runner import Limits, Runner, Trial, Variant, variants_of

TOLERANCE = 1e-4  # of the largest value of an output
NOISE = 1e-6      # relative: what a well-posed model answers with about as much
AMPLIFICATION = 50
DRAWS = 3
FAULTS = ("crashed", "slow", "stuck", "wrong")
# MaxPool of NaN is not defined by ONNX, and ONNX Runtime's depends on the order.
LOSE_NAN = {"MaxPool"}
# Inputs with a meaning of their own: noise would change what the model is.
EXACT = {"Resize": (1, 2, 3), "Clip": (1, 2), "Pad": (1, 2)}


@dataclass
class Verdict:
    """`kind` is "agrees", "no oracle", "ill-posed", "large", "refused", or "finding"."""

    kind: str
    line: str = ""


@dataclass
class Difference:
    line: str
    error: float
    scale: float
    output: int
    set: int


class Judge:
    def __init__(self, runner: Runner, limits: Limits | None = None) -> None:
        self.runner, self.oracle = runner, Oracle()
        self.limits = limits or Limits()
        self.variants = variants_of(runner.targets)

    def judge(self, model: bytes, sets: list[dict[str, np.ndarray]]) -> Verdict:
        """`sets` hold inputs by name; the first must be finite."""
        self.runner.ask(model, [list(s.values()) for s in sets], self.variants, self.limits)
        self.oracle.ask(model, sets)
        trial, expected = self.runner.answer(), self.oracle.answer()
        if trial.outcome in FAULTS:
            return Verdict("finding", f"{trial.outcome}: {trial.message} while {trial.phase}")
        if trial.outcome == "refused" and trial.variants:
            return Verdict("finding", f"refused while {trial.phase}, and others ran: {trial.message}")
        if trial.outcome != "ran":
            return Verdict(trial.outcome, trial.message)
        if any(trial.outputs[-1][s][i].tobytes() != trial.outputs[1][s][i].tobytes()
               for s in range(len(sets)) for i in range(len(trial.names))):
            return Verdict("finding", "three threads give another answer than one")
        return self._compare(model, sets, trial, expected)

    def _compare(self, model: bytes, sets, trial: Trial, expected) -> Verdict:
        has_oracle = not isinstance(expected, str)
        reference = expected if has_oracle else trial.outputs[0]
        name = "ONNX Runtime" if has_oracle else str(self.variants[0])
        ops = {node.op_type for node in onnx.load_from_string(model).graph.node}
        may_lose = bool(trial.gates) or bool(ops & LOSE_NAN)
        for variant, outputs in zip(self.variants, trial.outputs):
            for s, values in enumerate(outputs):
                for i, got in enumerate(values):
                    found = differ(reference[s][i], got, variant, may_lose)
                    if found is None:
                        continue
                    line, error, scale = found
                    line = f"{variant}: output {trial.names[i]!r} of set {s} {line} ({name})"
                    if np.isfinite(error) and self._is_ill_posed(model, sets[s], i, error, has_oracle):
                        return Verdict("ill-posed", line)
                    return Verdict("finding", line)
        return Verdict("agrees" if has_oracle else "no oracle", "" if has_oracle else expected)

    def _is_ill_posed(self, model: bytes, inputs, output: int, error: float, has_oracle: bool) -> bool:
        """Whether noise in inputs and weights moves the output as much as the error."""
        results = [self._answer(model, inputs, has_oracle)]
        for draw in range(DRAWS):
            random = np.random.default_rng(draw)
            noisy = {name: disturbed(random, array) for name, array in inputs.items()}
            results.append(self._answer(disturbed_model(random, model), noisy, has_oracle))
        if any(result is None for result in results):
            return True  # noise alone makes it another model
        with np.errstate(all="ignore"):
            moved = [np.abs(result[output].astype(np.float64) - results[0][output]) for result in results[1:]]
        return not error > AMPLIFICATION * max(float(np.nanmax(m, initial=0)) for m in moved)

    def _answer(self, model: bytes, inputs, has_oracle: bool) -> list[np.ndarray] | None:
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


def differ(right: np.ndarray, got: np.ndarray, variant: Variant, may_lose: bool):
    """(what, error, scale) where an output is wrong, else None. Where the right value is not finite the
    answer may be only where something is skipped; where the answer is not, Winograd may have spread it."""
    if right.shape != got.shape:
        return f"has the shape {list(got.shape)}, not {list(right.shape)}", np.inf, 0
    right = right.astype(np.float64)
    right_finite, got_finite = np.isfinite(right), np.isfinite(got)
    lost, gained = right_finite < got_finite, got_finite < right_finite
    if lost.any() and not may_lose:
        return f"is finite at {lost.sum()} places where it is not", np.inf, 0
    spreads = variant.winograd and not right_finite.all()
    if gained.any() and not spreads:
        return f"is not finite at {gained.sum()} places of {right.size}", np.inf, 0
    both = right_finite & got_finite
    if not both.any():
        return None
    error = float(np.abs(right[both] - got[both]).max())
    scale = float(np.abs(right[both]).max())
    if error <= TOLERANCE * scale:
        return None
    return f"is off by {error:.3g}, the largest value being {scale:.3g}", error, scale


def disturbed(random: np.random.Generator, array: np.ndarray) -> np.ndarray:
    noise = 1 + NOISE * random.uniform(-1, 1, array.shape)
    with np.errstate(all="ignore"):
        return (array * noise).astype(array.dtype)


def disturbed_model(random: np.random.Generator, content: bytes) -> bytes:
    model = onnx.load_from_string(content)
    exact = {node.input[i] for node in model.graph.node for i in EXACT.get(node.op_type, ())
             if i < len(node.input)}
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and tensor.name not in exact:
            try:
                array = numpy_helper.to_array(tensor)
            except (ValueError, TypeError):
                continue
            tensor.CopyFrom(numpy_helper.from_array(disturbed(random, array), tensor.name))
    return model.SerializeToString()
