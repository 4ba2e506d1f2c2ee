"""Runs another engine for apps/benchmark: lines of JSON in, lines of JSON out, as engine.h states.

    peer.py onnxruntime|openvino|ncnn
    peer.py convert MODEL.onnx FOLDER CHANNELS HEIGHT WIDTH   (to ncnn, in a process of its own, so
                                                               that its memory is not ncnn's)

Each engine has its best settings for float32 on the threads given: ONNX Runtime with all
optimisations and bound inputs, OpenVINO with its latency hint, ncnn with its defaults, Winograd
among them.
"""

import importlib.util
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time

REMEDY = "run make peers, or name a Python that has it by --peer-python"

try:
    import numpy as np
except ImportError as missing:
    print(json.dumps({"error": f"not installed ({missing}); {REMEDY}"}))
    sys.exit(1)


class Unavailable(Exception):
    """Why this engine cannot run this model, in a clause."""


class OnnxRuntime:
    def __init__(self):
        import onnxruntime
        self.package = onnxruntime
        self.version = onnxruntime.__version__

    def prepare(self, model, threads, inputs):
        options = self.package.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Else its int8 answers are wrong on CPUs without VNNI, where sums of products saturate.
        options.add_session_config_entry("session.x64quantprecision", "1")
        # Threads that spin between runs would take the cores from the engine whose turn it is.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        if threads == 1:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        self.options = options
        self.model = model

    def load(self, batch):
        # A size that is known beforehand lets it plan its memory.
        for name in ("N", "batch", "batch_size"):
            self.options.add_free_dimension_override_by_name(name, len(batch))
        self.session = self.package.InferenceSession(
            self.model, self.options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name
        self.binding = self.session.io_binding()
        self.binding.bind_output(self.session.get_outputs()[0].name)

    def bind(self, batch):
        value = self.package.OrtValue.ortvalue_from_numpy(batch)
        self.binding.bind_ortvalue_input(self.name, value)

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def scores(self):
        return self.binding.copy_outputs_to_cpu()[0]


class OpenVino:
    def __init__(self):
        import openvino
        self.package = openvino
        self.version = openvino.__version__.split("-")[0]

    def prepare(self, model, threads, inputs):
        self.model = model
        self.settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
            # Whoever started us chose the cores.
            "ENABLE_CPU_PINNING": False,
        }

    def load(self, batch):
        core = self.package.Core()
        model = core.read_model(self.model)
        model.reshape(list(batch.shape))
        self.request = core.compile_model(model, "CPU", self.settings).create_infer_request()

    def bind(self, batch):
        self.request.set_input_tensor(self.package.Tensor(batch, shared_memory=True))

    def run(self):
        self.request.infer()

    def scores(self):
        return self.request.get_output_tensor().data


class Ncnn:
    """It has no batches: a run takes the images one by one."""

    def __init__(self):
        import ncnn
        self.package = ncnn
        self.version = ncnn.__version__

    def prepare(self, model, threads, inputs):
        if inputs.ndim != 4:
            raise Unavailable("only images are converted to ncnn")
        self.folder = tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR"))
        result = subprocess.run(
            [sys.executable, __file__, "convert", model, self.folder.name,
             *map(str, inputs.shape[1:])], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if result.returncode != 0:
            lines = result.stdout.decode(errors="replace").strip().splitlines() or ["no reason"]
            raise Unavailable(f"not converted to ncnn: {lines[-1]}")
        self.threads = threads

    def load(self, batch):
        self.net = self.package.Net()
        self.net.opt.num_threads = self.threads
        # float32, as the others; on x86 this leaves all its fast paths on.
        self.net.opt.use_fp16_packed = False
        self.net.opt.use_fp16_storage = False
        self.net.opt.use_fp16_arithmetic = False
        base = os.path.join(self.folder.name, "model.ncnn")
        if self.net.load_param(base + ".param") or self.net.load_model(base + ".bin"):
            raise Unavailable("ncnn cannot read what pnnx converted")

    def bind(self, batch):
        self.images = [self.package.Mat(image) for image in batch]

    def run(self):
        self.outputs = []
        for image in self.images:
            extractor = self.net.create_extractor()
            extractor.input("in0", image)
            code, output = extractor.extract("out0")
            if code:
                raise Unavailable(f"ncnn failed with code {code}")
            self.outputs.append(output)

    def scores(self):
        return np.stack([np.array(output).reshape(-1) for output in self.outputs])


ENGINES = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "ncnn": Ncnn}


def replace_strided_slices(model):
    """ncnn's slices know no steps: a max pool of one pixel takes the same ones."""
    from onnx import helper, numpy_helper
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    for node in model.graph.node:
        if node.op_type != "Slice" or len(node.input) != 5:
            continue
        starts, _, axes, steps = (constants.get(name) for name in node.input[1:])
        if any(part is None for part in (starts, axes, steps)) or all(steps == 1):
            continue
        by_axis = dict(zip(axes.tolist(), steps.tolist()))
        if any(starts != 0) or not set(by_axis) <= {2, 3} or min(by_axis.values()) < 1:
            continue  # of no image, or left for pnnx to refuse
        pool = helper.make_node("MaxPool", node.input[:1], node.output, node.name,
                                kernel_shape=[1, 1],
                                strides=[by_axis.get(2, 1), by_axis.get(3, 1)])
        node.CopyFrom(pool)


def convert(path, folder, *shape):
    import onnx
    model = onnx.load(path)
    replace_strided_slices(model)
    source = os.path.join(folder, "model.onnx")
    onnx.save(model, source)
    # The package itself imports torch, which its program does not need.
    found = importlib.util.find_spec("pnnx")
    if found is None:
        raise Unavailable(f"pnnx is not installed; {REMEDY}")
    program = pathlib.Path(found.origin).with_name("pnnx")
    size = "[1," + ",".join(shape) + "]"
    subprocess.run([program, source, f"inputshape={size}", "fp16=0"], cwd=folder, check=True)
    unknown = [line for line in open(os.path.join(folder, "model.ncnn.param"), encoding="utf-8")
               if "." in line.split()[0]]
    if unknown:
        raise Unavailable("pnnx leaves the operator " + unknown[0].split()[0])


class Worker:
    """An engine, its inputs and the batch that comes next."""

    def __init__(self, name):
        self.name = name

    def load(self, request):
        self.engine = ENGINES[self.name]()
        inputs = np.fromfile(request["inputs"], np.float32)
        inputs = inputs.reshape(request["images"], *request["shape"])
        self.engine.prepare(request["model"], request["threads"], inputs)
        step = request["batch"]
        self.batches = [inputs[i:i + step] for i in range(0, len(inputs), step)]
        self.next = 0
        start = time.perf_counter_ns()
        self.engine.load(self.batches[0])
        self.engine.bind(self.batches[0])
        self.engine.run()
        self.engine.scores()
        load_ms = (time.perf_counter_ns() - start) / 1e6
        return {"version": self.engine.version, "target": "", "load_ms": load_ms}

    def check(self, request):
        scores = []
        for batch in self.batches:
            self.engine.bind(batch)
            self.engine.run()
            scores += np.array(self.engine.scores(), np.float32).reshape(-1).tolist()
        # JSON has no word for what is not finite.
        return {"scores": [score if math.isfinite(score) else None for score in scores]}

    def run(self, request):
        nanoseconds = []
        for _ in range(request["count"]):
            self.engine.bind(self.batches[self.next % len(self.batches)])
            self.next += 1
            start = time.perf_counter_ns()
            self.engine.run()
            nanoseconds.append(time.perf_counter_ns() - start)
        return {"nanoseconds": nanoseconds}

    def answer(self, request):
        actions = {"load": self.load, "check": self.check, "run": self.run}
        try:
            if request["do"] not in actions:
                return {"error": f"knows no request '{request['do']}'"}
            return actions[request["do"]](request)
        except ImportError as error:
            return {"error": f"not installed ({error}); {REMEDY}"}
        except Exception as error:  # engines' errors share no narrower base class
            lines = str(error).strip().splitlines() or [type(error).__name__]
            return {"error": lines[0]}


def main():
    if sys.argv[1] == "convert":
        try:
            convert(*sys.argv[2:])
        except Exception as error:
            sys.exit(str(error))
        return
    # What engines print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker(sys.argv[1])
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), file=answers)


if __name__ == "__main__":
    main()
