#!/usr/bin/env python3
"""Train a network, dense or gated, on a data set of images; see README.md."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sluice_training import fused
from sluice_training.allocate import read_densities
from sluice_training.batches import Normalizer, plain_batches
from sluice_training.block_gates import (
    BLOCK,
    BRANCHES,
    POOLS,
    BlockGateSpec,
    parse_grains,
    set_density,
    spec_of,
)
from sluice_training.checkpoint import build_model, read_checkpoint, restore_model, warm_start
from sluice_training.config import PRECISIONS, SCHEDULES, RunConfig, stored_config
from sluice_training.data import (
    ImageSet,
    channel_statistics,
    hold_out,
    read_split,
    spread,
)
from sluice_training.deepen import deepen
from sluice_training.errors import TrainingError, run_command
from sluice_training.gate_start import fit_gates
from sluice_training.int8_twin import is_folded, measure_norms
from sluice_training.lccl import FORMS, FUNCTIONS, GateSpec
from sluice_training.loop import CHECKPOINT, locked, train
from sluice_training.run import Run
from sluice_training.teacher import LITE0, kept_scores, make_teacher
from sluice_training.time_budget import apply_budget

# Enough for the statistics of 8x8 positions a channel; ResNet-18's of 112x112 take 0.8 GB at once.
UNFOLD_IMAGES = 256
SPEEDS = ("plain", "fused", "compile")
CHOICES = {"schedule": SCHEDULES, "precision": PRECISIONS}


def add_gate_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what the gates look like."""
    parser.add_argument(
        "--gate",
        choices=("none", *FORMS, BLOCK),
        default="none",
        help="LCCL form, its density held by an annealed threshold; or block, a binary gate per "
        "residual block, held by a budget in the loss",
    )
    parser.add_argument(
        "--grains",
        default="1",
        help="of the gates per block, for each stage or for all: 1,2,4,8 outputs, map or none; or auto, "
        "with --budget-ms",
    )
    parser.add_argument("--gate-function", choices=FUNCTIONS, default="clip")
    parser.add_argument(
        "--gate-norm",
        choices=("fixed", "learned"),
        default="fixed",
        help="fixed: the density is held by a threshold; learned: the paper's batch norm",
    )
    parser.add_argument("--after-norm", action="store_true", help="gate what the batch norm gives")
    parser.add_argument("--maps", type=int, default=1, help="gate maps of the form 'groups'")
    parser.add_argument("--grid", type=int, default=4, help="tile side of the form 'tile'")
    parser.add_argument(
        "--branch", choices=BRANCHES, default="3x3", help="kernel of the gates' branches per block"
    )
    parser.add_argument(
        "--pool", choices=POOLS, default="max", help="what a coarser gate per block reads"
    )
    parser.add_argument(
        "--context", action="store_true", help="gates per block see the mean of the map as well"
    )
    parser.add_argument(
        "--gate-layers",
        default="*",
        help="shell pattern for the names of the layers to gate, patterns for those of blocks",
    )


def parse_arguments(line: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of `line`, by default the process's own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data set; see README.md")
    parser.add_argument("--output", type=Path, required=True, help="folder of checkpoint and log")
    parser.add_argument(
        "--net", default="resnet20", help="resnet20|32|44|56|110, preresnet*, resnet18|34|50"
    )
    add_gate_options(parser)
    parser.add_argument("--densities", type=Path, help="a density per layer, by sensitivity.py")
    parser.add_argument("--warm-start", type=Path, help="checkpoint or ONNX file of the dense network")
    parser.add_argument(
        "--deepen",
        action="store_true",
        help="--warm-start is a shallower network, whose function this one starts with",
    )
    parser.add_argument(
        "--fit-gates",
        type=int,
        default=0,
        metavar="IMAGES",
        help="start the gates from what positions are worth on so many training images",
    )
    parser.add_argument(
        "--teacher",
        help=f"to distil from: a checkpoint, an ONNX file of export.py or its int8 twin, or {LITE0}",
    )
    parser.add_argument("--resume", action="store_true", help="go on from --output's checkpoint")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument(
        "--speed",
        choices=SPEEDS,
        default="plain",
        help="fused: own operators, on the CPU through a C++ compiler, on CUDA by Triton and with "
        "the step as one CUDA graph; compile: torch.compile",
    )
    for option in fields(RunConfig):
        flag = "--" + option.name.replace("_", "-")
        if option.type == "bool":
            parser.add_argument(flag, action="store_true")
        elif option.name != "densities":
            kind = {"int": int, "float": float, "str": str}[str(option.type)]
            default = 20 if option.name == "epochs" else option.default
            choices = CHOICES.get(option.name)
            parser.add_argument(flag, type=kind, default=default, choices=choices)
    return parser.parse_args(line)


def closed_at_start(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The blocks that the network of --warm-start lacks: the run goes on without them."""
    gate = read_checkpoint(arguments.warm_start)["gate"] if arguments.warm_start else None
    return tuple(gate.get("closed", ())) if gate else ()


def gate_of(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """The gates' description as checkpoints store it."""
    if arguments.gate == "none":
        return None
    if arguments.gate == BLOCK:
        grains = parse_grains(arguments.grains)
        spec = BlockGateSpec(
            grains=grains,
            layers=arguments.gate_layers,
            branch=arguments.branch,
            pool=arguments.pool,
            context=arguments.context,
            closed=closed_at_start(arguments),
        )
        return asdict(spec)
    return asdict(
        GateSpec(
            arguments.gate,
            arguments.gate_function,
            slope=GateSpec.slope if arguments.gate_norm == "fixed" else None,
            maps=arguments.maps,
            grid=arguments.grid,
            after_norm=arguments.after_norm,
            layers=arguments.gate_layers,
        )
    )


def device_of(arguments: argparse.Namespace) -> torch.device:
    try:
        device = torch.device(arguments.device)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        what = str(error).splitlines()[0]
        raise TrainingError(f"--device {arguments.device}: cannot be used ({what})") from error
    return device


def read_state(arguments: argparse.Namespace, config: RunConfig) -> dict[str, Any] | None:
    """The checkpoint to go on from. Raises TrainingError where it belongs to another run."""
    newest = arguments.output / CHECKPOINT
    if not newest.exists():
        return None
    if not arguments.resume:
        raise TrainingError(f"{newest}: exists; pass --resume or another --output")
    state = read_checkpoint(newest)
    same_gate = (state["gate"] and asdict(spec_of(state["gate"]))) == gate_of(arguments)
    same_net = state["net"] == arguments.net and same_gate
    # A CPU without bf16 units may go on in fp32 with what an accelerator began.
    stored = replace(stored_config(state["config"]), precision=config.precision)
    if not same_net or stored != config:
        raise TrainingError(
            f"{newest}: belongs to other options; repeat them or take another --output"
        )
    return state


def config_of(arguments: argparse.Namespace) -> RunConfig:
    named = {field.name for field in fields(RunConfig)} - {"densities"}
    return RunConfig(**{name: getattr(arguments, name) for name in named})


def read_images(arguments: argparse.Namespace, config: RunConfig) -> tuple[ImageSet, ImageSet]:
    """The training images and those held out, of the size that the run ends at."""
    data = read_split(arguments.data, "train")
    stages = config.size_stages
    return hold_out(data if stages is None else data.resized(int(stages.last)))


def prepare(
    arguments: argparse.Namespace, config: RunConfig, training: ImageSet, normalizer: Normalizer
) -> nn.Module:
    """The network, warm-started where asked for."""
    model = build_model(arguments.net, gate_of(arguments), len(training.classes))
    set_density(model, config.start_density or config.target)
    if arguments.deepen and not arguments.warm_start:
        raise TrainingError("--deepen needs --warm-start; name the shallower network")
    if arguments.warm_start:
        state = read_checkpoint(arguments.warm_start)
        if is_folded(state["model"]):
            state = unfolded(state, arguments.warm_start, training, normalizer)
        if arguments.deepen:
            deepen(restore_model(state, arguments.warm_start), model)
        else:
            warm_start(model, state, arguments.warm_start)
    return model


def unfolded(
    state: dict[str, Any], path: Path, training: ImageSet, normalizer: Normalizer
) -> dict[str, Any]:
    """The state of an int8 twin with batch norms of some training images' statistics."""
    network = restore_model(state, path)
    some = spread(training, UNFOLD_IMAGES)
    images = torch.cat([images for images, _ in plain_batches(some, normalizer)])
    measure_norms(network, images)
    return state | {"model": network.state_dict()}


def new_run(
    arguments: argparse.Namespace, config: RunConfig, training: ImageSet, normalizer: Normalizer
) -> Run:
    """The run before its first step."""
    device = device_of(arguments)
    if arguments.speed == "fused":
        fused.enable(True, device)
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(config.seed)
    model = prepare(arguments, config, training, normalizer)
    teacher = table = None
    if (config.distill or config.teacher_table) and not arguments.teacher:
        raise TrainingError("--distill and --teacher-table need --teacher; name one")
    if arguments.teacher and config.teacher_table:
        table = kept_scores(arguments.teacher, training, normalizer, arguments.output, device)
    elif arguments.teacher:
        teacher = make_teacher(arguments.teacher, training.classes, normalizer)
    if arguments.densities:
        config = replace(config, densities=read_densities(arguments.densities, model))
    graphed = arguments.speed == "fused" and device.type == "cuda"
    run = Run(model, config, training, normalizer, teacher, device, graphed, table)
    if arguments.speed == "compile":
        run.model.compile()
    return run


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    apply_budget(arguments)
    config = config_of(arguments)
    training, held_out = read_images(arguments, config)
    normalizer = Normalizer(*channel_statistics(training.sample()))
    described = {
        "net": arguments.net,
        "gate": gate_of(arguments),
        "classes": list(training.classes),
        "mean": list(normalizer.mean),
        "std": list(normalizer.std),
        "size": training.input_size[1],
        "shorter_side": training.shorter_side,
    }
    with locked(arguments.output):
        run = new_run(arguments, config, training, normalizer)
        state = read_state(arguments, run.config)
        if state is not None:
            run.restore(state)
        elif arguments.fit_gates:
            some = spread(training, arguments.fit_gates)
            fit_gates(run.model, some, normalizer, run.config.seed)
        train(run, held_out, normalizer, arguments.output, described)


if __name__ == "__main__":
    run_command(main)
