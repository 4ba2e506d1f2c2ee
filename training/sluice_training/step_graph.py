"""A training step captured as one CUDA graph.

A step of a small network is hundreds of kernels of a few microseconds; launched one by one from
Python they leave an accelerator idle most of the time. A graph is launched once per step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from sluice_training.tape import Tape

WARM_UP_STEPS = 3


class StepGraph:
    """Replays `step`, a function of a tape's row, on the device.

    changing: gives all tensors that a step changes; those that only exist after a first step start
        from zero. The warm-up's steps are undone.
    tape: the first epoch's; later ones must have its shapes.
    """

    def __init__(
        self,
        step: Callable[[Tape], None],
        changing: Callable[[], list[torch.Tensor]],
        tape: Tape,
        device: torch.device,
    ) -> None:
        self._tape = tape.to(device)
        self._step = torch.zeros(1, dtype=torch.long, device=device)
        self._graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            before = {t.data_ptr(): t.clone() for t in changing()}
            # The first steps compile kernels and choose algorithms, which no capture allows.
            for _ in range(WARM_UP_STEPS):
                step(self._tape.select(self._step))
            for tensor in changing():
                saved = before.get(tensor.data_ptr())
                tensor.zero_() if saved is None else tensor.copy_(saved)
        stream.synchronize()
        with torch.cuda.graph(self._graph, stream=stream):
            step(self._tape.select(self._step))
            self._step += 1
        torch.cuda.current_stream(device).wait_stream(stream)

    def replay(self, tape: Tape) -> Iterator[None]:
        """Run all steps of a tape, yielding after each is launched."""
        for mine, new in zip(self._tape, tape):
            mine.copy_(new)
        self._step.zero_()
        for _ in range(tape.steps):
            self._graph.replay()
            yield
