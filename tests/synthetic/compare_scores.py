"""Compares the scores of a built classify with those of ONNX Runtime on images of noise.

    compare_scores.py CLASSIFY MODEL...

Prints a line per model: the largest difference relative to the largest score, the MACs, the share of
them that ran, and the gates. Exits 1 where a difference passes 1e-4 or a gate does not skip.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
from PIL import Image

TOLERANCE = 1e-4
IMAGES = 3
# A kernel's name, as cmake/SluiceKernelTable.cmake puts it together: algorithm, gate form or operation.
SHAPE = r"(?:any|\d+x\d+(?:_by\d+)?(?:_c\d+|_wide|_wider|_deep)?)"
KERNEL = rf"  ([a-z_]+?)(?:_f32)?_{SHAPE}(_[a-z]+)?__"


def noise(side, seed):
    """Pixels [side, side, 3]: coarse noise and fine, so that gates are active in places."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (8, 8, 3), np.uint8)
    smooth = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    fine = random.integers(0, 256, (side, side, 3))
    return ((3 * np.asarray(smooth, np.int64) + fine) // 4).astype(np.uint8)


def preprocessed(pixels, metadata, side):
    """The centre, normalised as the metadata say: float32 [1, 3, side, side]."""
    first = (pixels.shape[0] - side) // 2
    crop = pixels[first : first + side, first : first + side].astype(np.float32) / np.float32(255)
    mean = np.array(json.loads(metadata["sluice.mean"]), np.float32)
    deviation = np.array(json.loads(metadata["sluice.std"]), np.float32)
    return ((crop - mean) / deviation).transpose(2, 0, 1)[None]


def compare(classify, model, folder):
    """(largest relative difference, results of classify)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    shorter = json.loads(metadata["sluice.resize_shorter_side"])
    side = session.get_inputs()[0].shape[2]
    images = [noise(shorter, seed) for seed in range(IMAGES)]
    paths = [pathlib.Path(folder) / f"noise{seed}.png" for seed in range(IMAGES)]
    for path, pixels in zip(paths, images):
        Image.fromarray(pixels).save(path)
    command = [*classify, "--model", model, "--json", *paths]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    results = [json.loads(line) for line in output.splitlines()]
    worst = 0.0
    for pixels, result in zip(images, results, strict=True):
        [expected] = session.run(None, {"input": preprocessed(pixels, metadata, side)})[0]
        difference = np.abs(np.array(result["scores"]) - expected).max()
        worst = max(worst, float(difference / np.abs(expected).max()))
    return worst, results


def kernels(classify, model):
    """How often each family of kernels is a step, and the remarks."""
    command = [*classify, "--model", model, "--explain"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    families = ["".join(parts) for parts in re.findall(KERNEL, text)]
    remarks = re.findall(r"not fused.*|multiplied densely.*", text)
    return collections.Counter(families), collections.Counter(remarks)


def main():
    failed = False
    for model in sys.argv[2:]:
        with tempfile.TemporaryDirectory() as folder:
            difference, results = compare([sys.argv[1]], model, folder)
        families, remarks = kernels([sys.argv[1]], model)
        macs = results[0]["macs"]
        executed = np.mean([r["macs_executed"] for r in results]) / macs
        counts = ", ".join(f"{n} {family}" for family, n in sorted(families.items()))
        print(f"{pathlib.Path(model).name}: difference {difference:.1e}, {macs} MACs, "
              f"{executed:.1%} executed; {counts}")
        for remark, n in remarks.items():
            print(f"  {n} gates: {remark}")
        failed |= not difference <= TOLERANCE or not families.keys().isdisjoint({"binary_add", "binary_mul"})
    sys.exit(failed)


if __name__ == "__main__":
    main()
