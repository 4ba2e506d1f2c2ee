"""Writes the cases of tests/zoo: ONNX files with weights, inputs, and the outputs of ONNX Runtime.

    make_cases.py GRAPHS OUTPUT

GRAPHS: the folder of NAME.tar.xz. OUTPUT gets a folder per network and exporter, as run_cases takes it.
"""

import json
import pathlib
import sys
import tarfile
import zlib

import numpy as np
import onnx
import onnxruntime

from weights import fill

SYMBOLIC_BATCH = 2


def answer(model, feeds):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, feeds)


def shape_of(value):
    return [d.dim_value if d.HasField("dim_value") else SYMBOLIC_BATCH
            for d in value.type.tensor_type.shape.dim]


def draw_images(random, shape):
    """Noise around a colour of each image's own, because the mean of mere noise is the same for all."""
    colours = random.standard_normal((*shape[:2], *[1] * len(shape[2:])))
    return (colours + random.standard_normal(shape)).astype(np.float32)


def write_case(model, batch, folder):
    """An entry of cases.json, and its files."""
    seed = zlib.crc32(f"{folder.name} {batch}".encode())
    fill(model, seed)
    random = np.random.RandomState(seed)
    feeds = {v.name: draw_images(random, shape_of(v)) for v in model.graph.input}
    entry = {"name": f"batch {batch}", "model": f"batch{batch}.onnx", "inputs": [], "outputs": []}
    onnx.save(model, folder / entry["model"])
    for kind, arrays in (("inputs", feeds.values()), ("outputs", answer(model, feeds))):
        for i, array in enumerate(arrays):
            if not np.all(np.isfinite(array)) or (array.size > 1 and np.ptp(array) == 0):
                sys.exit(f"{folder.name}, batch {batch}: {kind} cannot tell right from wrong: {array}")
            entry[kind].append(f"batch{batch}.{kind}{i}.npy")
            np.save(folder / entry[kind][-1], array)
    return entry


def main(graphs, output):
    for archive in sorted(pathlib.Path(graphs).glob("*.tar.xz")):
        name = archive.name.removesuffix(".tar.xz")
        entries = {}
        with tarfile.open(archive) as members:
            for member in members:
                exporter, batch = pathlib.PurePath(member.name).stem.split("_batch")
                folder = pathlib.Path(output) / f"{name}_{exporter}"
                folder.mkdir(parents=True, exist_ok=True)
                model = onnx.load_from_string(members.extractfile(member).read())
                entries.setdefault(folder, []).append(write_case(model, batch, folder))
        for folder, cases in entries.items():
            (folder / "cases.json").write_text(json.dumps(cases))
    (pathlib.Path(output) / "done").touch()


if __name__ == "__main__":
    main(*sys.argv[1:])
