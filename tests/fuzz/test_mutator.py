"""The mutator's cases repeat, and its judge sees what is wrong: test_mutator.py MUTATOR FUZZ_RUN."""

import sys

sys.path.insert(0, sys.argv[1])

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from judge import Judge, differ
from mutate import KINDS, make_case
from runner import Limits, Runner


def check(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"test_mutator.py: {what}")


def scaled(factor: float, *extents: int) -> tuple[bytes, list[dict[str, np.ndarray]]]:
    """y = factor * x through a 1x1 convolution, and an input."""
    weights = numpy_helper.from_array(np.full((1, 1, 1, 1), factor, np.float32), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], "conv")
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, *extents]) for n in "xy"]
    graph = helper.make_graph([node], "test", info[:1], info[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = np.arange(np.prod(extents), dtype=np.float32).reshape(1, 1, *extents)
    return model.SerializeToString(), [{"x": x}]


class Mistaken:
    """An oracle that is asked about one model and answers about another."""

    def __init__(self, oracle, model: bytes) -> None:
        self._oracle, self._model = oracle, model

    def ask(self, model: bytes, sets) -> None:
        self._oracle.ask(self._model, sets)

    def answer(self):
        return self._oracle.answer()

    def stop(self) -> None:
        self._oracle.stop()


def test_cases_repeat() -> None:
    for kind in KINDS:
        models = [make_case(kind, 3, number)[0] for number in range(40)]
        check(models == [make_case(kind, 3, n)[0] for n in range(40)], f"{kind} do not repeat")
        check(len(set(models)) > 35, f"{kind} are the same again and again")
        check(models[0] != make_case(kind, 4, 0)[0], f"{kind} do not depend on the seed")


def test_differences_count() -> None:
    right = np.array([[1.0, -2.0, 4.0]])
    check(differ(right, right.astype(np.float32)) is None, "equal arrays differ")
    check(differ(right, (right * (1 + 5e-5)).astype(np.float32)) is None, "rounding is an error")
    wrong = right.copy()
    wrong[0, 0] += 1e-3
    check(differ(right, wrong) is not None, "an error of 1e-3 passes")
    for odd in (np.nan, np.inf):
        wrong[0, 0] = odd
        check(differ(right, wrong) is not None, f"{odd} for a number passes")
        check(differ(wrong, right) is not None, f"a number for {odd} passes")
    check(differ(right, right.T) is not None, "another shape passes")
    wide = np.tile(right, 100)
    off = wide.copy()
    off[0, 0] += 1
    check(differ(wide, off, 0.03) is None, "a single step of many numbers is an error")
    check(differ(wide, wide + 0.2, 0.03) is not None, "an error of all numbers passes")


def test_wrong_answers_are_found(judge: Judge) -> None:
    model, sets = scaled(3, 5, 7)
    check(judge.judge(model, sets).kind == "agrees", "a right answer is none")
    oracle = judge.oracle
    judge.oracle = Mistaken(oracle, scaled(3.001, 5, 7)[0])
    verdict = judge.judge(model, sets)
    judge.oracle = oracle
    check(verdict.kind == "finding" and "is off by" in verdict.line, f"not found: {verdict}")


def test_slow_and_refused_models(runner: Runner) -> None:
    model, sets = scaled(1, 512, 512)
    inputs = [list(s.values()) for s in sets]
    variants = Judge(runner, Limits()).variants[:1]
    runner.ask(model, inputs, variants, Limits(load_seconds=1e-6))
    trial = runner.answer()
    check(trial.outcome == "slow" and "loading" in trial.phase, f"a load without time: {trial}")
    runner.ask(model, inputs, variants, Limits(most_macs=1000))
    check(runner.answer().outcome == "large", "many MACs are run")
    runner.ask(model[:40], [], variants, Limits())
    trial = runner.answer()
    check(trial.outcome == "refused" and "model.onnx" in trial.message, f"half a model: {trial}")
    wide = onnx.load_from_string(model)
    wide.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 513
    runner.ask(wide.SerializeToString(), inputs, variants, Limits())
    check(runner.answer().outcome == "refused", "an input of another shape is run")


def main() -> None:
    test_cases_repeat()
    test_differences_count()
    runner = Runner([sys.argv[2]])
    judge = Judge(runner, Limits())
    test_wrong_answers_are_found(judge)
    test_slow_and_refused_models(runner)
    judge.stop()


main()
