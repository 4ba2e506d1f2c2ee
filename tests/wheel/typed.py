"""What a type checker must see of the package: make test-wheel runs mypy over this file."""

import numpy as np
from typing_extensions import assert_type

import sluice

model = sluice.Model("model.onnx", target="avx2", threads=2, size=(224, 224))
assert_type(model.inputs, tuple[sluice.TensorInfo, ...])
assert_type(model.inputs[0].shape, tuple[int | str, ...])
assert_type(model.metadata, dict[str, str])
assert_type(model.explain(), str)
assert_type(model.macs_executed, int)
assert_type(model.copy(), sluice.Model)
assert_type(model.gates(), list[sluice.Gate])
assert_type(model.gates()[0].density, float)
outputs = model.run({"x": np.zeros(3, np.float32)})
outputs["y"].argmax()
session = sluice.InferenceSession("model.onnx")
session.run(None, {session.get_inputs()[0].name: np.zeros(3)})[0].argmax()
model.threads = 3  # type: ignore[misc]
sluice.Model("model.onnx", threads="two")  # type: ignore[arg-type]
